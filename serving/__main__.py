"""Serve blocks to an orchestrator: `python -m serving --spec FILE --bind tcp://0.0.0.0:5701 --secret FILE`.

The server listens on a port of this machine, or uses a connection that it inherits from the orchestrator. Where other
machines reach the port, it needs a secret, from a file or from the environment variable CHAIN_SECRET, or --open.

`python -m serving http LAYOUT` starts the servers of a layout itself and serves an API over HTTP; see its --help.
"""

import argparse
import socket
import sys
from pathlib import Path

from serving.installed import require_installed
from serving.server.spec import ServerSpec
from system.checks import require
from system.command.arguments import Parser
from system.command.boundary import ends_in_one_sentence
from system.documents.text_files import read_text
from system.errors import InputError


def arguments() -> argparse.Namespace:
    """Return the command's arguments."""
    parser = Parser(prog="python -m serving", description=__doc__)
    parser.add_argument("--spec", required=True, help="description of the server in JSON, or a file with it")
    listen = parser.add_mutually_exclusive_group(required=True)
    listen.add_argument("--bind", help="serve on a port, such as tcp://0.0.0.0:5701, until Ctrl-C")
    parser.add_argument("--secret", help="file with the secret that orchestrators must have; messages are encrypted")
    parser.add_argument("--open", action="store_true", help="serve anyone who reaches the port, unencrypted")
    listen.add_argument("--descriptor", type=int, help="descriptor of a connected socket that this process inherits")
    return parser.parse_args()


def main() -> None:
    """Serve until the connection ends, or on a port until Ctrl-C."""
    if sys.argv[1:2] == ["http"]:
        from serving.http import command

        command.main(sys.argv[2:])
        return
    args = arguments()
    require_installed("torch")
    from serving.server import server

    spec = spec_of(args.spec)
    if args.bind is not None:
        from serving.transport.secret import secret_of
        from serving.transport.zeromq_port import ZeromqPort

        both = args.secret is not None and args.open
        require(not both, "open", "given", "serves anyone, but --secret is given, too; leave one out")
        secret = None if args.open else secret_of(args.secret)
        port = ZeromqPort(args.bind, secret, args.open)
        sys.stdout.write(f"{spec.name} listens at {port.address} until Ctrl-C\n")
        sys.stdout.flush()
        server.serve_for_ever(spec, port)
    else:
        from serving.transport.pipe import PipePort

        unused = "secret" if args.secret is not None else "open"
        require(
            args.secret is None and not args.open,
            unused,
            "given",
            "works only for servers on a port; use --bind, or leave it out",
        )
        server.serve(spec, PipePort(_inherited(args.descriptor)))


def spec_of(text: str) -> ServerSpec:
    """Return the spec in a JSON text or in a file."""
    return ServerSpec.from_json(text if text.lstrip().startswith(("{", "[")) else read_text(Path(text), "spec"))


def _inherited(descriptor: int) -> socket.socket:
    """Return the connected socket with a descriptor."""
    try:
        inherited = socket.socket(fileno=descriptor)
        inherited.getpeername()
    except (OSError, OverflowError, ValueError) as error:
        remedy = "is no connected socket of this process; use --bind to listen on a port"
        raise InputError(f"descriptor = {descriptor}: {remedy}") from error
    return inherited


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
