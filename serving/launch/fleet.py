"""A row of servers: started, ready, and gone when they are no longer needed, whatever happens meanwhile."""

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from serving.launch import by_hand
from serving.launch import ray_servers as placed
from serving.server import green_contexts
from serving.server.device import torch_device
from serving.server.executor import StepExecutor
from serving.server.spec import ServerSpec
from serving.transport import Connection, ConnectionClosedError
from serving.transport.local import LocalConnection
from serving.transport.messages import Kind, Message, WireError
from serving.transport.pipe import PipeConnection
from serving.transport.zeromq import ZeromqConnection
from system import InputError

GOODBYE_S = 5.0  # for processes to end once their connections have


class Fleet:
    """Connections to servers in the order of their specs, and the child processes behind them.

    Servers that this process has not started itself have no process here. `end` is called when the connections are
    closed.
    """

    def __init__(
        self,
        connections: Sequence[Connection],
        processes: Sequence["subprocess.Popen[bytes]"] = (),
        end: Callable[[], object] = lambda: None,
    ) -> None:
        self.connections, self.processes, self._end = connections, processes, end

    def wait_until_ready(self, specs: Sequence[ServerSpec], limit_s: float) -> None:
        """Raise `InputError` with what a server says if it cannot serve, or with its name if it says nothing."""
        deadline_s = time.monotonic() + limit_s
        for spec, connection in zip(specs, self.connections, strict=True):
            answer = _first_answer(spec, connection, deadline_s)
            if answer.refused:
                raise InputError(f"server {spec.name}: {answer.text}")
            ServerSpec.from_json(answer.text).require_serves(spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self.connections:
            connection.close()
        _wait_for_ends(self.processes)
        self._end()


def _wait_for_ends(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """They end since their connections have; one that does not, because it was stopped for instance, is killed."""
    deadline_s = time.monotonic() + GOODBYE_S
    try:
        for process in processes:
            process.wait(max(deadline_s - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _first_answer(spec: ServerSpec, connection: Connection, deadline_s: float) -> Message:
    """To the question whether it is ready."""
    try:
        connection.send(Message(Kind.READY))
        while not (answers := connection.receive()):
            left_s = deadline_s - time.monotonic()
            if left_s < 0:
                raise InputError(f"server {spec.name}: not ready in time; raise start_s, or look at its output")
            if connection.readable is not None and not connection.busy:
                select.select([connection.readable], [], [], left_s)
    except ConnectionClosedError as error:
        raise InputError(f"server {spec.name}: ended before it was ready; its own output says why") from error
    except WireError as error:
        raise InputError(f"server {spec.name}: {error}") from error
    return answers[0]


def started(engine: str, specs: Sequence[ServerSpec], addresses: Sequence[str]) -> Fleet:
    """Servers of an engine; they load, and may not be ready yet. `addresses`: of servers that run, or of Ray."""
    if engine in ("zeromq", "ray"):
        return {"zeromq": zeromq, "ray": ray}[engine](specs, addresses)
    return {"local": local, "pipe": pipe}[engine](specs)


def local(specs: Sequence[ServerSpec]) -> Fleet:
    """All in this process; those with an `sm_count` on partitions of their device."""
    streams = green_contexts.streams([spec.sm_count for spec in specs], torch_device(specs[0].device))
    return Fleet([LocalConnection(StepExecutor(spec, stream)) for spec, stream in zip(specs, streams, strict=True)])


def pipe(specs: Sequence[ServerSpec]) -> Fleet:
    """A process of its own for each, at the other end of a socket pair: it ends when this process does."""
    connections: list[Connection] = []
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as on_failure:
        on_failure.enter_context(Fleet(connections, processes))
        for spec in specs:
            ours, theirs = socket.socketpair()
            connections.append(PipeConnection(ours))
            processes.append(_started(spec, theirs))
            theirs.close()
        on_failure.pop_all()
    return Fleet(connections, processes)


def _started(spec: ServerSpec, theirs: socket.socket) -> "subprocess.Popen[bytes]":
    """In a process group of its own, since Ctrl-C is for this process to handle."""
    command = [sys.executable, "-m", "serving", "--spec", spec.to_json()]
    number = theirs.fileno()
    words = [*command, "--descriptor", str(number)]
    return subprocess.Popen(words, pass_fds=[number], stdin=subprocess.DEVNULL, process_group=0)


def zeromq(specs: Sequence[ServerSpec], addresses: Sequence[str]) -> Fleet:
    """Servers that were started by hand and go on when this process ends; raises `InputError` with what to start."""
    if not addresses:
        raise InputError(by_hand.prepared(specs))
    if len(addresses) != len(specs):
        raise InputError(
            f"addresses = {list(addresses)}: must be {len(specs)}, of servers {', '.join(spec.name for spec in specs)}"
        )
    return Fleet(_zeromq_connections(addresses))


def ray(specs: Sequence[ServerSpec], addresses: Sequence[str]) -> Fleet:
    """Servers that Ray places on its nodes, of the cluster whose head is at the address, or on this machine alone."""
    with ExitStack() as end:
        connections = _zeromq_connections(placed.place(specs, end, *addresses[:1]))
        return Fleet(connections, end=end.pop_all().close)


def _zeromq_connections(addresses: Sequence[str]) -> list[Connection]:
    connections: list[Connection] = []
    with ExitStack() as on_failure:
        on_failure.enter_context(Fleet(connections))
        for address in addresses:
            connections.append(ZeromqConnection(address))
        on_failure.pop_all()
    return connections
