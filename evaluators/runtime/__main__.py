"""`python -m evaluators.runtime serve ...`."""

import argparse
import sys

from evaluators.runtime import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluators.runtime", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    p = commands.add_parser("serve")
    serve.add_arguments(p)
    p.set_defaults(run=serve.run)
    asked = parser.parse_args()
    sys.stdout.write(asked.run(asked))


if __name__ == "__main__":
    main()
