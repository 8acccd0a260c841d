"""A fleet of servers for one run: how they are started, awaited and ended, also after errors."""

import re
import select
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from serving.launch import ray_servers
from serving.launch.in_process import LocalConnection
from serving.server import green_contexts
from serving.server.device import torch_device
from serving.server.executor import StepExecutor
from serving.server.spec import ServerSpec
from serving.transport import Connection, ConnectionClosedError
from serving.transport.messages import Kind, Message, WireError
from serving.transport.pipe import PipeConnection
from serving.transport.secret import Secret, new_secret, secret_of, write_secret
from serving.transport.zeromq_connection import ZeromqConnection
from system import InputError

GOODBYE_S = 5.0  # processes may take this long to end after their connections
COMMAND_FOLDER = Path("outputs", "servers")
FIRST_PORT = 5701


class Fleet:
    """Connections to servers in the order of their specs, and the child processes of servers that have one here.

    `end` is called after the connections have been closed.
    """

    def __init__(
        self,
        connections: Sequence[Connection],
        processes: Sequence["subprocess.Popen[bytes]"] = (),
        end: Callable[[], object] = lambda: None,
    ) -> None:
        self.connections, self.processes, self._end = connections, processes, end

    def wait_until_ready(self, specs: Sequence[ServerSpec], limit_s: float) -> None:
        """Wait at most `limit_s` seconds until all servers can serve.

        Raises `InputError` with the reason that a server gives if it cannot serve, or with the name of a server that
        does not answer.
        """
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
    """Wait for processes to end, and kill those that do not.

    A server's process ends once its connection is closed, but not, for instance, if it was stopped by a signal.
    """
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
    """Return a server's answer to the question whether it is ready."""
    try:
        connection.send(Message(Kind.READY))
        while not (answers := connection.receive()):
            left_s = deadline_s - time.monotonic()
            if left_s < 0:
                raise InputError(f"server {spec.name}: not ready in time; raise start_s, or look at its output")
            if connection.readable is not None and not connection.busy:
                select.select([connection.readable], [], [], left_s)
    except ConnectionClosedError as error:
        raise InputError(f"server {spec.name}: ended before it was ready ({error}); look at its output") from error
    except WireError as error:
        raise InputError(f"server {spec.name}: {error}") from error
    return answers[0]


def start(engine: str, specs: Sequence[ServerSpec], addresses: Sequence[str], secret: str | None = None) -> Fleet:
    """Start the servers of an engine, which may not be ready yet.

    `addresses` are those of running servers (`zeromq`), whose secret is in the file `secret`, or that of a Ray
    cluster's head (`ray`).
    """
    if engine == "zeromq":
        return zeromq(specs, addresses, secret)
    if engine == "ray":
        return ray(specs, addresses)
    return {"local": local, "pipe": pipe}[engine](specs)


def local(specs: Sequence[ServerSpec]) -> Fleet:
    """Start all servers in this process.

    Servers with an `sm_count` get partitions of their device.
    """
    streams = green_contexts.streams([spec.sm_count for spec in specs], torch_device(specs[0].device))
    return Fleet([LocalConnection(StepExecutor(spec, stream)) for spec, stream in zip(specs, streams, strict=True)])


def pipe(specs: Sequence[ServerSpec]) -> Fleet:
    """Start a process for each server, connected by a socket pair.

    The processes end when this process does.
    """
    connections: list[Connection] = []
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as on_failure:
        on_failure.enter_context(Fleet(connections, processes))
        for spec in specs:
            ours, theirs = socket.socketpair()
            connections.append(PipeConnection(ours))
            processes.append(_start_process(spec, theirs))
            theirs.close()
        on_failure.pop_all()
    return Fleet(connections, processes)


def _start_process(spec: ServerSpec, theirs: socket.socket) -> "subprocess.Popen[bytes]":
    """Start a server's process.

    It gets a process group of its own, so that Ctrl-C reaches only this process.
    """
    command = [sys.executable, "-m", "serving", "--spec", spec.to_json()]
    number = theirs.fileno()
    words = [*command, "--descriptor", str(number)]
    return subprocess.Popen(words, pass_fds=[number], stdin=subprocess.DEVNULL, process_group=0)


def zeromq(specs: Sequence[ServerSpec], addresses: Sequence[str], secret: str | None = None) -> Fleet:
    """Connect to servers that were started by hand or by `srun`.

    They go on when this process ends. Without addresses this writes a command for each server to a file and raises
    `InputError`, whose message says how to use the file.
    """
    if not addresses:
        raise InputError(write_commands(specs))
    if len(addresses) != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise InputError(f"addresses = {list(addresses)}: must be one address for each server: {names}")
    return Fleet(_connect(addresses, secret_of(secret)))


def write_commands(specs: Sequence[ServerSpec], folder: Path = COMMAND_FOLDER) -> str:
    """Write the servers' descriptions, their secret and the commands that start them.

    Returns a message that says how to use them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = write_secret(folder / "secret")
    path = folder / "commands.txt"
    path.write_text("".join(f"{_command(folder, port, spec, secret)}\n" for port, spec in enumerate(specs, FIRST_PORT)))
    example = ",".join(f"tcp://HOST:{FIRST_PORT + j}" for j in range(min(len(specs), 2)))
    return (
        f"addresses = []: {path} has a command for each server; run each on its host, from a copy of this folder, and "
        f"give their secret and, in the same order, their addresses: evaluator.secret={secret} "
        f"evaluator.addresses=[{example}{',...' if len(specs) > 2 else ''}]"
    )


def _command(folder: Path, port: int, spec: ServerSpec, secret: Path) -> str:
    """Write a server's description and return the command that starts the server."""
    path = folder / re.sub(r"[^\w.-]+", "_", f"{spec.name}.json")
    path.write_text(spec.to_json() + "\n")
    listen = ["--bind", f"tcp://0.0.0.0:{port}", "--secret", str(secret)]
    return shlex.join(["python", "-m", "serving", *listen, "--spec", str(path)])


def ray(specs: Sequence[ServerSpec], addresses: Sequence[str]) -> Fleet:
    """Start servers on nodes that Ray chooses.

    The cluster is the one whose head is at the address, or this machine alone if there is no address.
    """
    with ExitStack() as end:
        secret = new_secret()
        connections = _connect(ray_servers.start_servers(specs, end, secret, *addresses[:1]), Secret(secret))
        return Fleet(connections, end=end.pop_all().close)


def _connect(addresses: Sequence[str], secret: Secret | None) -> list[Connection]:
    connections: list[Connection] = []
    with ExitStack() as on_failure:
        on_failure.enter_context(Fleet(connections))
        for address in addresses:
            connections.append(ZeromqConnection(address, secret))
        on_failure.pop_all()
    return connections
