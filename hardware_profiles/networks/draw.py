"""What a network gives a cluster, and how nodes are drawn from a known matrix of round-trip times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from system.checks import float_vector, require, require_count
from system.errors import InputError


@dataclass(frozen=True)
class NetworkDraw:
    """J servers around an orchestrator; `server_rtt_s` is None where a network does not know it."""

    rtt_s: NDArray[np.float64]  # (J,), orchestrator to server and back
    names: tuple[str, ...]  # (J,)
    server_rtt_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, J)

    def __post_init__(self) -> None:
        count = float_vector("rtt_s", self.rtt_s).size
        require(len(self.names) == count, "names", f"{len(self.names)} names", f"give one for each of {count} servers")
        if self.server_rtt_s is not None:
            shape = self.server_rtt_s.shape
            require(shape == (count, count), "server_rtt_s", f"array of shape {shape}", f"must be {count} by {count}")


class Network(Protocol):
    """Anything that can place J servers around an orchestrator."""

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """J servers at random; the same generator state gives the same draw."""


class NetworkFile(Protocol):
    """A data set that knows where its file lies, such as `workloads.datasets.DataSet`."""

    def path(self) -> Path:
        """The file; raises `DataUnavailableError` if it cannot be had."""


def require_nodes(server_count: int, available: int, network: str) -> None:
    """Raise `InputError` unless the network has that many nodes for servers."""
    require_count(server_count=server_count)
    if server_count > available:
        raise InputError(
            f"server_count = {server_count}: {network} has places for only {available} servers; "
            "ask for fewer or take network=european, which has no such limit"
        )


def require_orchestrator(orchestrator: str) -> None:
    """Raise `InputError` unless the orchestrator is a random node or the central one."""
    require(orchestrator in ("random", "central"), "orchestrator", orchestrator, "must be random or central")


def draw_nodes(
    rtt_s: NDArray[np.float64],
    names: Sequence[str],
    orchestrator: int | None,
    server_count: int,
    rng: np.random.Generator,
) -> NetworkDraw:
    """Draw servers without replacement among all nodes but the orchestrator, which is random if None is given.

    `rtt_s` is (n, n). The nodes come from one random order, so more servers means the same ones and others.
    """
    order = rng.permutation(len(names))
    centre = order[0] if orchestrator is None else orchestrator
    servers = order[order != centre][:server_count]
    return NetworkDraw(rtt_s[centre, servers], tuple(names[j] for j in servers), rtt_s[np.ix_(servers, servers)])
