"""Serve blocks to an orchestrator: `python -m serving --spec FILE --bind tcp://0.0.0.0:5701`.

The server listens on a port of this machine, or uses a connection that it inherits from the orchestrator.
"""

import argparse
import socket
from pathlib import Path

from serving.installed import require_installed
from serving.server.spec import ServerSpec
from system.errors import InputError, exit_in_one_sentence


def arguments() -> argparse.Namespace:
    """Return the command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--spec", required=True, help="description of the server in JSON, or a file with it")
    listen = parser.add_mutually_exclusive_group(required=True)
    listen.add_argument("--bind", help="serve on a port, such as tcp://0.0.0.0:5701, until Ctrl-C")
    listen.add_argument("--descriptor", type=int, help="descriptor of a connected socket that this process inherits")
    return parser.parse_args()


def main() -> None:
    """Serve until the connection ends, or on a port until Ctrl-C."""
    args = arguments()
    require_installed("torch")
    from serving.server import server

    spec = ServerSpec.from_json(_json(args.spec))
    if args.bind is not None:
        from serving.transport.zeromq import ZeromqPort

        server.serve_for_ever(spec, ZeromqPort(args.bind))
    else:
        from serving.transport.pipe import PipePort

        server.serve(spec, PipePort(socket.socket(fileno=args.descriptor)))


def _json(spec: str) -> str:
    if spec.lstrip().startswith("{"):
        return spec
    try:
        return Path(spec).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"spec = {spec}: cannot be read ({error}); give a file or JSON") from error


if __name__ == "__main__":
    with exit_in_one_sentence():
        main()
