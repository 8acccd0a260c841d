"""A private swarm: one PETALS server for each server of a layout."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving.engines.petals.environment import PYTHON, guarded, require_petals
from serving.engines.petals.logs import address_in, is_ready, last_error
from serving.engines.petals.spans import ServerOptions, Span, server_command
from serving.engines.processes import Child, Children
from system import InputError
from system.checks import require, require_positive

LOOK_S = 0.1  # between two looks at the logs


@dataclass(frozen=True, kw_only=True)
class Petals:
    """Where PETALS is, what its servers share, and how long they may take to start."""

    options: ServerOptions
    logs: Path  # folder for the logs and identities
    python: Path = PYTHON
    start_s: float = 120.0

    def __post_init__(self) -> None:
        require_positive(start_s=self.start_s)


@dataclass
class Swarm:
    """Servers that take requests, in the order of their spans."""

    children: Children
    members: list[Child] = field(default_factory=list)

    @property
    def peers(self) -> list[str]:
        """Return the addresses of the servers that have printed one."""
        return [address for member in self.members if (address := address_in(member.text))]

    def failed(self) -> str | None:
        """Return a sentence about the first server that has ended, or None."""
        return next((sentence_of(member) for member in self.members if member.status() is not None), None)


@contextmanager
def start(spans: Sequence[Span], settings: Petals) -> Iterator[Swarm]:
    """Yield a swarm whose servers are ready; end all of its processes afterwards.

    The first server begins the swarm, the others join it together. Raises `InputError` if a server ends or is not ready
    in time.
    """
    require(len(spans) > 0, "spans", "[]", "give the blocks of at least one server")
    require_petals(settings.python)
    settings.logs.mkdir(parents=True, exist_ok=True)
    with Children(settings.logs, settings.start_s) as children:
        swarm = Swarm(children)
        for j, span in enumerate(spans):
            _start_server(swarm, j, span, settings)
            if j == 0:
                _wait(swarm, address_in)
        _wait(swarm, is_ready)
        yield swarm


def sentence_of(child: Child) -> str:
    """Return a sentence about a process that has ended."""
    return f"{child.name}: has ended: {last_error(child.text)}; see {child.log}"


def _start_server(swarm: Swarm, j: int, span: Span, settings: Petals) -> None:
    identity = settings.logs / f"server_{j + 1}.id"
    command = server_command(settings.python, span, settings.options, identity, swarm.peers[:1])
    words = guarded(settings.python, *command[1:])
    swarm.members.append(swarm.children.start(f"PETALS server {span.name}", f"server_{j + 1}", words))


def _wait(swarm: Swarm, reached: Callable[[str], object]) -> None:
    """Wait until the logs of all servers show a state.

    Raises `InputError` if a server ends or is late.
    """
    end_s = time.monotonic() + swarm.children.start_s
    while waiting := [member for member in swarm.members if not reached(member.text)]:
        if failure := swarm.failed():
            raise InputError(failure)
        if time.monotonic() > end_s:
            late = f"not ready after start_s = {swarm.children.start_s:g} s; raise start_s, or see {waiting[0].log}"
            raise InputError(f"{waiting[0].name}: {late}")
        time.sleep(LOOK_S)
