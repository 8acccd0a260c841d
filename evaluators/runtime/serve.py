"""`python -m evaluators.runtime serve`: one server, on a connection that it inherits."""

import argparse
import socket

from evaluators.runtime.installed import require_installed
from evaluators.runtime.spec import ServerSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spec", required=True, help="the server's description as JSON")
    parser.add_argument("--descriptor", type=int, required=True, help="number of an inherited, connected socket")


def run(asked: argparse.Namespace) -> str:
    """Serve until the connection ends."""
    require_installed("torch")
    from evaluators.runtime.links.stream import StreamPort
    from evaluators.runtime.server import serve

    serve(ServerSpec.from_json(asked.spec), StreamPort(socket.socket(fileno=asked.descriptor)))
    return ""
