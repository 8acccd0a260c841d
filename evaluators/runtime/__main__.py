"""`python -m evaluators.runtime profile ...` measures this machine and writes its profile; `... serve` is a server."""

import argparse
import shlex
import sys

from evaluators.runtime import serve
from evaluators.runtime.profiler import command as profiler
from store.provenance import provenance
from system import InputError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evaluators.runtime", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    profile = commands.add_parser("profile", help="measure this machine and write its profile")
    profiler.add_arguments(profile)
    profile.set_defaults(run=_profile)
    server = commands.add_parser("serve", help="serve blocks to an orchestrator")
    serve.add_arguments(server)
    server.set_defaults(run=serve.run)
    return parser.parse_args()


def _profile(asked: argparse.Namespace) -> None:
    words = f"python -m evaluators.runtime {shlex.join(sys.argv[1:])}"
    sys.stdout.write(profiler.run(asked, words, provenance()))


def main() -> None:
    """Do what the command's words ask for."""
    asked = arguments()
    asked.run(asked)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
