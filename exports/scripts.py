"""Shell scripts: comments, variables and commands of any engine.

Each command runs on another machine, so a script is read and its lines are run one by one. A name that a user chose
stands in comments only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exports.chains import Export
from exports.machines import Device, Machine
from system import Composition
from system.checks import require, require_known
from system.models.families import FAMILIES
from system.models.precisions import cache_precision, weight_precision


@dataclass(frozen=True, kw_only=True)
class Description:
    """What commands need to know beside the composition."""

    model: str  # name
    family: str  # a key of `FAMILIES`
    weights: str  # a precision of `WEIGHTS`
    cache: str  # a precision of `CACHES`
    labels: tuple[str, ...]  # (J,) what each server is, such as the name of its GPU
    about: str  # one line on the prediction, the first comment
    machines: tuple[Machine, ...] = ()  # (J,) what each server is made of; empty: each is one GPU

    def __post_init__(self) -> None:
        require_known("family", self.family, FAMILIES)
        weight_precision(self.weights)
        cache_precision(self.cache)

    def check(self, composition: Composition) -> None:
        """Raise `InputError` unless there is a label for each server."""
        count = len(composition.system.servers)
        require(len(self.labels) == count, "labels", f"{len(self.labels)} texts", f"give {count}, one for each server")
        known = len(self.machines)
        require(known in (0, count), "machines", known, f"give {count}, one for each server, or none")

    def machine(self, j: int) -> Machine:
        """Return what server j is made of."""
        return self.machines[j] if self.machines else Machine((Device(self.labels[j]),))


def comment(text: str) -> str:
    """Return a comment of one line.

    Line breaks in names are removed, since the shell would run what follows them.
    """
    return f"# {' '.join(text.split())}\n"


def script(notes: Iterable[str], variables: Sequence[str], commands: Sequence[str]) -> str:
    """Return a script of comments, variables, and commands with comments above them."""
    comments = "".join(map(comment, notes))
    return "\n".join(["#!/bin/sh", comments + "".join(f"{line}\n" for line in variables), *commands])


def without_commands(engine: str, reason: str, description: Description, commented: Sequence[str] = ()) -> Export:
    """Return an export with comments instead of commands."""
    note = f"{engine}: no commands, as {reason}."
    return Export(engine, (), reason, script([description.about, note], [], commented))


def required(variable: str, meaning: str) -> str:
    """Return the line that takes a variable from the environment, or stops."""
    return f"{variable}=${{{variable}:?{meaning}}}"


def optional(variable: str, value: str) -> str:
    """Return the line that takes a variable from the environment, or the value."""
    return f"{variable}=${{{variable}:-{value}}}"


def address(j: int) -> str:
    """Return the variable of a server's address, the same in all scripts."""
    return f"ADDRESS_{j + 1}"


def address_lines(composition: Composition, servers: Iterable[int], description: Description) -> list[str]:
    """Return the lines that take the addresses of servers, each with the server's name."""
    return [
        f"{required(address(j), f'address of server {j + 1}')} {_named(composition, j, description)}" for j in servers
    ]


def server_words(composition: Composition, j: int, description: Description) -> str:
    """Return a server's name and what it is."""
    return f"{composition.system.servers.name(j)} ({description.labels[j]})"


def _named(composition: Composition, j: int, description: Description) -> str:
    return comment(server_words(composition, j, description)).rstrip("\n")
