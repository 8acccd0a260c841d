"""Servers that Ray places on the nodes of a cluster (the extra `ray`); what they compute on goes over ZeroMQ."""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from serving.installed import require_installed
from serving.server.server import refuse, serve_for_ever
from serving.server.spec import ServerSpec
from serving.transport.zeromq import ZeromqPort
from system import InputError

PLACING_S = 60.0  # for Ray to find a node for every server
ANSWER_S = 5.0


class PlacedServer:
    """Lives in a process of Ray's, which ends it."""

    def bind(self) -> str:
        """The address at which other nodes reach the server."""
        import ray

        self._port = ZeromqPort(f"tcp://{ray.util.get_node_ip_address()}:*")
        return self._port.address

    def serve(self, spec: str) -> None:
        """One run after the other; a server that cannot serve says so to the first who asks."""
        try:
            serve_for_ever(ServerSpec.from_json(spec), self._port)
        except InputError as error:
            refuse(self._port, error)


def place(specs: Sequence[ServerSpec], end: ExitStack, address: str = "local") -> list[str]:
    """Start a server on some node for each spec, with its CPUs, and a GPU where it needs one; their addresses.

    `address`: `local` for a Ray of its own on this machine, else that of a cluster's head. What ends the servers is
    left to `end`. Raises `InputError` if no Ray answers or its nodes have too little.
    """
    require_installed("ray", extra="ray")
    ray = _joined(address, sum(spec.threads for spec in specs), end)
    servers = [_placed(ray, spec, end) for spec in specs]
    try:
        addresses = ray.get([server.bind.remote() for server in servers], timeout=PLACING_S)
    except ray.exceptions.GetTimeoutError as error:
        raise InputError(
            f"engine = ray: no room for {len(specs)} servers in {PLACING_S:g} s; each needs `threads` CPUs of a node, "
            "and a GPU of its own with device=cuda"
        ) from error
    except ray.exceptions.RayError as error:
        raise InputError(f"engine = ray: a server does not start ({error})") from error
    for server, spec in zip(servers, specs, strict=True):
        server.serve.remote(spec.to_json())
    return list(addresses)


def _placed(ray: Any, spec: ServerSpec, end: ExitStack) -> Any:
    needs = {"num_cpus": spec.threads, "num_gpus": int(spec.device != "cpu"), "scheduling_strategy": "SPREAD"}
    server = ray.remote(PlacedServer).options(**needs).remote()
    end.callback(ray.kill, server)
    return server


def _joined(address: str, cpus: int, end: ExitStack) -> Any:
    """Ray, joined to a cluster or started with so many CPUs; left again at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return ray
    own = address == "local"
    if not own:
        _require_answer(address)
    settings = {"num_cpus": cpus, "include_dashboard": False} if own else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"addresses = [{address}]: Ray does not join ({error})") from error
    end.callback(ray.shutdown)
    return ray


def _require_answer(address: str) -> None:
    """Where nobody listens Ray itself would try for ever."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"addresses = [{address}]: no Ray answers there ({error}); name the HOST:PORT that `ray start --head` told"
        ) from error
