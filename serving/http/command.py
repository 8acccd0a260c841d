"""The command `python -m serving http LAYOUT`: start the servers of a layout and serve its requests over HTTP.

LAYOUT is a file as for `plan.py evaluate`, see planner/examples. Any client of OpenAI's completions can use the
address; Ctrl-C ends the front and the servers that it has started.
"""

import argparse
from collections.abc import Sequence
from typing import get_args

from serving.http.layout import deployment_of
from serving.installed import require_installed
from serving.settings import Emulate, Engine, RunSettings
from system.checks import require, require_count
from system.command.arguments import Parser, name_list, path
from system.limits import JOBS

LARGEST_PORT = 65535


def main(words: Sequence[str]) -> None:
    """Serve over HTTP until Ctrl-C."""
    args = _arguments(words)
    require_count(JOBS, most=args.most)
    require(0 <= args.port <= LARGEST_PORT, "port", args.port, f"must be from 0, any free one, to {LARGEST_PORT}")
    for package, extra in (("torch", "runtime"), ("aiohttp", "engines"), ("prometheus_client", "engines")):
        require_installed(package, extra)
    deployment = deployment_of(args.layout, args.dispatch)
    settings = RunSettings(
        engine=args.engine,
        device=args.device,
        dtype=deployment.dtype,
        threads=args.threads,
        weights=int(args.weights) if args.weights.isdecimal() else args.weights,
        emulate=args.emulate,
        pace=args.pace,
        addresses=args.addresses,
        secret=args.secret,
    )
    from serving.http.run import serve_http

    serve_http(deployment, settings, args.host, args.port, args.most)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m serving http", description=__doc__)
    parser.add_argument("layout", type=path, help="layout file: model, servers with their blocks, chains")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 for any free one (default: 8000)")
    parser.add_argument("--dispatch", default="jffc", help="policy, a name of conf/dispatch (default: jffc)")
    parser.add_argument("--most", type=int, default=1000, help="most requests at once, waiting included")
    parser.add_argument("--engine", choices=get_args(Engine), default="pipe", help="how servers run (default: pipe)")
    parser.add_argument("--device", default="cpu", help="device of the servers: cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="threads of each server on a CPU")
    parser.add_argument("--weights", default="0", help="seed of random weights, or folder of a checkpoint")
    parser.add_argument("--emulate", choices=get_args(Emulate), default="nothing", help="delays of links to add")
    parser.add_argument("--pace", action="store_true", help="make steps last as long as the layout's hardware needs")
    parser.add_argument("--addresses", type=name_list, default=(), help="addresses of running servers (zeromq)")
    parser.add_argument("--secret", help="file with the secret of these servers")
    return parser.parse_args(words)
