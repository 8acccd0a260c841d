"""`python -m evaluators.runtime serve`: one server, on a connection that it inherits or on a port of this machine."""

import argparse
import socket
from pathlib import Path

from evaluators.runtime.installed import require_installed
from evaluators.runtime.spec import ServerSpec
from system import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spec", required=True, help="the server's description, a file or JSON")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bind", help="serve on a port, such as tcp://0.0.0.0:5701, until Ctrl-C")
    where.add_argument("--descriptor", type=int, help="number of an inherited, connected socket")


def run(asked: argparse.Namespace) -> None:
    """Serve until the connection ends, or for ever on a port."""
    require_installed("torch")
    from evaluators.runtime import server

    spec = ServerSpec.from_json(_json(asked.spec))
    if asked.bind is not None:
        from evaluators.runtime.links.zeromq import ZeromqPort

        server.serve_for_ever(spec, ZeromqPort(asked.bind))
    else:
        from evaluators.runtime.links.stream import StreamPort

        server.serve(spec, StreamPort(socket.socket(fileno=asked.descriptor)))


def _json(spec: str) -> str:
    if spec.lstrip().startswith("{"):
        return spec
    try:
        return Path(spec).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"spec = {spec}: cannot be read ({error}); give a file or JSON") from error
