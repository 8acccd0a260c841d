"""Let PETALS' own parser read commands: `python tests/exports/inside/petals_parser.py` with PETALS' Python."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO
from unittest.mock import patch


def main():
    """Answer with PETALS' version, and the arguments or the error of each command."""
    with redirect_stdout(sys.stderr):
        import petals
        from petals.cli import run_server

        def read(words):
            errors = StringIO()
            with (
                patch.object(run_server, "Server") as server,
                patch.object(run_server, "validate_version"),  # it asks the network for a newer one
                patch.object(sys, "argv", ["run_server", *words]),
            ):
                try:
                    with redirect_stderr(errors):
                        run_server.main()
                except SystemExit:
                    return errors.getvalue().strip().splitlines()[-1]
            return {name: plain(value) for name, value in server.call_args.kwargs.items()}

        answers = [read(words) for words in json.load(sys.stdin)]
        client = hasattr(petals, "AutoDistributedModelForCausalLM")
    json.dump({"version": version("petals"), "client": client, "answers": answers}, sys.stdout)


def plain(value):
    """Return a value of JSON; of an enumeration its name in small letters."""
    if isinstance(value, (bool, int, float, str, list, type(None))):
        return str(value.name).lower() if hasattr(value, "name") else value
    return str(getattr(value, "name", value)).lower()


if __name__ == "__main__":
    main()
