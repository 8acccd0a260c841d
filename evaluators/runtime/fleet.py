"""A row of servers: started, ready, and gone when they are no longer needed, whatever happens meanwhile."""

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from evaluators.runtime.links import Link, LinkClosedError
from evaluators.runtime.links.local import LocalLink
from evaluators.runtime.links.stream import StreamLink
from evaluators.runtime.spec import ServerSpec
from evaluators.runtime.wire import Message
from evaluators.runtime.worker import Worker
from system import InputError

GOODBYE_S = 5.0  # for a process to end once its connection has


class Fleet:
    """Links to servers, in the order of their specs, and the processes behind them, if they are ours."""

    def __init__(self, links: Sequence[Link], processes: Sequence["subprocess.Popen[bytes]"] = ()) -> None:
        self.links, self.processes = list(links), list(processes)

    def wait_until_ready(self, specs: Sequence[ServerSpec], limit_s: float) -> None:
        """Raise `InputError` with what a server says if it cannot serve, or with its name if it says nothing."""
        deadline_s = time.monotonic() + limit_s
        for spec, link in zip(specs, self.links, strict=True):
            answer = _first_answer(spec, link, deadline_s)
            if answer.refused:
                raise InputError(answer.text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self.links:
            link.close()
        for process in self.processes:
            try:
                process.wait(GOODBYE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _first_answer(spec: ServerSpec, link: Link, deadline_s: float) -> Message:
    try:
        while time.monotonic() < deadline_s:
            if link.readable is not None:
                select.select([link.readable], [], [], max(deadline_s - time.monotonic(), 0.0))
            if answers := link.receive():
                return answers[0]
    except LinkClosedError as error:
        raise InputError(f"server {spec.name}: ended before it was ready; its own output says why") from error
    raise InputError(f"server {spec.name}: not ready in time; raise start_s, or look at its output")


def started(engine: str, specs: Sequence[ServerSpec]) -> Fleet:
    """Servers of an engine; they load, and may not be ready yet."""
    return ENGINES[engine](specs)


def local(specs: Sequence[ServerSpec]) -> Fleet:
    """All in this process."""
    return Fleet([LocalLink(Worker(spec)) for spec in specs])


def pipe(specs: Sequence[ServerSpec]) -> Fleet:
    """A process of its own for each, at the other end of a socket pair: it ends when this process does."""
    links: list[Link] = []
    processes: list[subprocess.Popen[bytes]] = []
    with_all = Fleet(links, processes)
    try:
        for spec in specs:
            ours, theirs = socket.socketpair()
            links.append(StreamLink(ours))
            processes.append(_started(spec, theirs))
            theirs.close()
    except BaseException:
        with_all.__exit__(None, None, None)
        raise
    return Fleet(links, processes)


def _started(spec: ServerSpec, theirs: socket.socket) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "evaluators.runtime", "serve", "--spec", spec.to_json()]
    number = theirs.fileno()
    return subprocess.Popen([*command, "--descriptor", str(number)], pass_fds=[number], stdin=subprocess.DEVNULL)


ENGINES: dict[str, Callable[[Sequence[ServerSpec]], Fleet]] = {"local": local, "pipe": pipe}
