"""Servers that Ray places on the nodes of a cluster. Their messages go over ZeroMQ. Needs the extra `ray`."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from serving.installed import require_installed
from serving.server.server import refuse, serve_for_ever
from serving.server.spec import ServerSpec
from serving.transport.secret import Secret
from serving.transport.zeromq_port import ZeromqPort
from system import InputError
from system.checks import require_ray

PLACING_S = 60.0  # Ray may take this long to find a node for every server


class PlacedServer:
    """A server in a process that Ray starts and ends."""

    def bind(self, secret: str) -> str:
        """Open a port and return its address for other nodes that have the secret."""
        import ray

        self._port = ZeromqPort(f"tcp://{ray.util.get_node_ip_address()}:*", Secret(secret))
        return self._port.address

    def serve(self, spec: str) -> None:
        """Serve one run after another.

        If the server cannot serve, its answer to the first request is the reason.
        """
        try:
            serve_for_ever(ServerSpec.from_json(spec), self._port)
        except InputError as error:
            refuse(self._port, error)


def start_servers(specs: Sequence[ServerSpec], end: ExitStack, secret: str, address: str = "local") -> list[str]:
    """Start servers on nodes that Ray chooses and return their addresses.

    There is one for each spec; clients need the secret. A server gets as many CPUs as it has threads, and a GPU if its
    device is one. `address` is that of a cluster's head, or `local` to start a Ray of our own on this machine. The
    servers end when `end` is closed. Raises `InputError` if no Ray answers, or if its nodes have too few CPUs or GPUs.
    """
    require_installed("ray", extra="ray")
    ray = _join(address, sum(spec.threads for spec in specs), end)
    servers = [_place_one(ray, spec, end) for spec in specs]
    try:
        addresses = ray.get([server.bind.remote(secret) for server in servers], timeout=PLACING_S)
    except ray.exceptions.GetTimeoutError as error:
        count = "1 server" if len(specs) == 1 else f"{len(specs)} servers"
        raise InputError(
            f"engine = ray: no room for {count} in {PLACING_S:g} s; use a cluster where each gets `threads` CPUs of "
            "one node, and a GPU of its own with device=cuda"
        ) from error
    except ray.exceptions.RayError as error:
        raise InputError(f"engine = ray: a server does not start ({error}); look at Ray's logs") from error
    for server, spec in zip(servers, specs, strict=True):
        server.serve.remote(spec.to_json())
    return list(addresses)


def _place_one(ray: Any, spec: ServerSpec, end: ExitStack) -> Any:
    needs = {"num_cpus": spec.threads, "num_gpus": int(spec.device != "cpu"), "scheduling_strategy": "SPREAD"}
    server = ray.remote(PlacedServer).options(**needs).remote()
    end.callback(ray.kill, server)
    return server


def _join(address: str, cpus: int, end: ExitStack) -> Any:
    """Join a cluster, or start one with `cpus` CPUs, and return Ray's module.

    The cluster is left when `end` is closed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return ray
    own = address == "local"
    if not own:
        require_ray(address, "addresses", f"[{address}]", "give the HOST:PORT that `ray start --head` printed")
    settings = {"num_cpus": cpus, "include_dashboard": False} if own else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"addresses = [{address}]: Ray cannot join that cluster ({error}); check that it runs"
        ) from error
    end.callback(ray.shutdown)
    return ray
