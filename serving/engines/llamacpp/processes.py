"""Child processes with a log file each: started in groups of their own, awaited, and ended together."""

import ctypes
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from system import InputError

HERE = "127.0.0.1"
GOODBYE_S = 5.0  # processes may take this long to end after SIGTERM
PAUSE_S = 0.02  # between two looks at a process that is not ready
PROBE_S = 1.0  # an address may take this long to answer
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
CAUSE = re.compile(r" E |fail|error|crash|abort|invalid|unknown|exception|no such|killed", re.IGNORECASE)
STAMP = re.compile(r"^[\d.]+ [A-Z] +")
LONGEST = 300  # characters of a log's line in a message


class Child:
    """A process, its name in messages, and its log."""

    def __init__(self, name: str, command: Sequence[str], log: Path, descriptors: Sequence[int] = ()) -> None:
        self.name, self.log = name, log
        self._read_from, self._group_ended = 0, False
        with log.open("wb") as output:
            self.process = _start(command, output.fileno(), descriptors)

    @property
    def text(self) -> str:
        """Return what the process has logged."""
        return self.log.read_bytes().decode(errors="replace")

    def mark_ready(self) -> None:
        """Take only later lines of the log for the cause of a failure."""
        self._read_from = len(self.text)

    def status(self) -> int | None:
        """Return the exit status of a process that has ended, or None.

        What it left of its group ends with it.
        """
        status = self.process.poll()
        if status is not None:
            self._end_group()
        return status

    def failure(self) -> str | None:
        """Return a sentence if the process has ended, or None."""
        status = self.status()
        if status is None:
            return None
        manner = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        line = self.last_words()
        return f"{self.name}: {manner}" + (f"; its log says: {line}" if line else " and logged nothing")

    def last_words(self) -> str:
        """Return the log's first line that tells a cause, or else its last."""
        lines = [STAMP.sub("", line).strip() for line in self._lines() if line.strip()]
        causes = [STAMP.sub("", line).strip() for line in self._lines() if CAUSE.search(line)]
        return [*lines[-1:], *causes[:1]][-1][:LONGEST] if lines else ""

    def _lines(self) -> list[str]:
        return self.text[self._read_from :].splitlines() or self.text.splitlines()

    def ask_to_end(self) -> None:
        """Send SIGTERM to a process that has not ended."""
        if self.status() is None:
            os.killpg(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its group at once."""
        self._end_group()
        self.process.wait()

    def _end_group(self) -> None:
        """Kill the group, once: its number may later be that of others."""
        if not self._group_ended:
            self._group_ended = True
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Children:
    """The processes of one run. They end when the block ends, or when this process does, however it does."""

    def __init__(self, logs: Path, start_s: float) -> None:
        self.logs, self.start_s = logs, start_s
        self.members: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self.members)

    def start(self, name: str, file: str, command: Sequence[str], descriptors: Sequence[int] = ()) -> Child:
        """Start a process with a log file; it inherits open files or sockets."""
        child = Child(name, command, self.logs / f"{file}.log", descriptors)
        self.members.append(child)
        return child

    def dismiss(self, child: Child) -> None:
        """End a process that has done its work."""
        child.kill()
        self.members.remove(child)

    def wait_until(self, ready: Callable[[], bool], child: Child) -> None:
        """Wait until a process is ready.

        Raises `InputError` if any process ends, or if this one takes too long.
        """
        deadline_s = time.monotonic() + self.start_s
        while not ready():
            self.require_alive()
            if time.monotonic() > deadline_s:
                line = child.last_words() or "nothing"
                late = f"not ready after start_s = {self.start_s:g} s; raise start_s, or look at its log, which ends"
                raise InputError(f"{child.name}: {late}: {line}")
            time.sleep(PAUSE_S)
        self.require_alive()

    def require_alive(self) -> None:
        """Raise `InputError` with the sentence of the first process that has ended."""
        for child in self.members:
            if sentence := child.failure():
                raise InputError(sentence)


def end(children: Sequence[Child]) -> None:
    """End processes: first ask all of them, then kill what goes on."""
    try:
        for child in reversed(children):  # those that use others were started later
            child.ask_to_end()
        deadline_s = time.monotonic() + GOODBYE_S
        while time.monotonic() < deadline_s and any(child.status() is None for child in children):
            time.sleep(PAUSE_S)
    finally:
        for child in children:
            child.kill()


def free_port() -> int:
    """Return a port of this machine that nobody uses at the moment."""
    with listening_socket() as ours:
        return int(ours.getsockname()[1])


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of this machine."""
    return socket.create_server((HERE, 0))


def accepts(port: int) -> bool:
    """Return whether something on this machine accepts connections at a port."""
    try:
        socket.create_connection((HERE, port), timeout=PROBE_S).close()
    except OSError:
        return False
    return True


def is_healthy(port: int) -> bool:
    """Return whether a llama-server on this machine is ready for requests."""
    connection = http.client.HTTPConnection(HERE, port, timeout=PROBE_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _start(command: Sequence[str], output: int, descriptors: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own, which Ctrl-C does not reach."""
    parent = os.getpid()
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            process_group=0,
            restore_signals=False,  # SIGPIPE stays ignored; an RPC server would end with a host that it answers
            preexec_fn=lambda: _die_with(parent),
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},  # a debugger would hold an aborted process
        )
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be started ({error.strerror}); give another program") from error


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends; write no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
