"""The draw of a network, and how nodes are drawn from a known matrix of round-trip times."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.quantities import s_per_byte_of
from system.checks import float_vector, require, require_count
from system.errors import InputError
from system.limits import DELAY_S, NODES, SERVERS


@dataclass(frozen=True)
class NetworkDraw:
    """J servers around an orchestrator; `server_rtt_s` is None if the network does not know it.

    The seconds per byte are those of one crossing of a link. None means that bytes take no time of their own.
    """

    rtt_s: NDArray[np.float64]  # (J,), from the orchestrator to each server and back
    names: tuple[str, ...]  # (J,)
    server_rtt_s: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, J), from server to server and back
    s_per_byte: NDArray[np.float64] | None = field(default=None, repr=False)  # (J,), between orchestrator and server
    server_s_per_byte: NDArray[np.float64] | None = field(default=None, repr=False)  # (J, J), from server to server

    def __post_init__(self) -> None:
        count = float_vector("rtt_s", self.rtt_s).size
        _require_round_trips("rtt_s", self.rtt_s)
        require(len(self.names) == count, "names", f"{len(self.names)} names", f"give one for each of {count} servers")
        if self.server_rtt_s is not None:
            shape = self.server_rtt_s.shape
            require(shape == (count, count), "server_rtt_s", f"array of shape {shape}", f"must be {count} by {count}")
            _require_round_trips("server_rtt_s", self.server_rtt_s)
        for name, expected in (("s_per_byte", (count,)), ("server_s_per_byte", (count, count))):
            values = getattr(self, name)
            if values is not None:
                require(values.shape == expected, name, f"array of shape {values.shape}", f"must have shape {expected}")
                float_vector(name, values.ravel())

    def with_bandwidth(self, mbytes_per_s: float | None) -> "NetworkDraw":
        """Return the same servers with one bandwidth of all links.

        It is in 10^6 bytes/s; None changes nothing.
        """
        if mbytes_per_s is None:
            return self
        byte_s = s_per_byte_of(mbytes_per_s, "bandwidth_mbytes_per_s")
        count = self.rtt_s.size
        between_s = None if self.server_rtt_s is None else byte_s * (1.0 - np.eye(count))
        return replace(self, s_per_byte=np.full(count, byte_s), server_s_per_byte=between_s)


def _require_round_trips(field: str, rtt_s: NDArray[np.float64]) -> None:
    """Raise `InputError` unless all times are numbers from 0 to the bound."""
    wrong = rtt_s[~((rtt_s >= 0) & (rtt_s <= DELAY_S))]
    if wrong.size:
        require(False, field, wrong[0], f"must be a time from 0 to {DELAY_S:,} s; check the units")


class Network(Protocol):
    """A source of random draws of servers around an orchestrator."""

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J servers at random.

        The same state of the generator gives the same draw.
        """


class NetworkFile(Protocol):
    """A data set in one file, such as `workloads.datasets.DataSet`."""

    def path(self) -> Path:
        """Return the file's path.

        Raises `DataUnavailableError` if there is no way to get the file.
        """


def require_servers(server_count: int) -> None:
    """Raise `InputError` unless the number of servers is a whole number within the bound."""
    require_count(SERVERS, server_count=server_count)


def require_size(node_count: int, network: str) -> None:
    """Raise `InputError` if a network has too many pairs of nodes."""
    require(node_count <= NODES, f"nodes of {network}", node_count, f"must be at most {NODES:,}; use a smaller network")


def require_nodes(server_count: int, available: int, network: str) -> None:
    """Raise `InputError` unless the network has enough nodes for the servers."""
    require_servers(server_count)
    if server_count > available:
        raise InputError(
            f"server_count = {server_count}: must be at most {available}, the number of nodes for servers in "
            f"{network}; use fewer servers, or network=european, which has no such limit"
        )


def require_orchestrator(orchestrator: str) -> None:
    """Raise `InputError` unless the orchestrator is `random` or `central`."""
    require(orchestrator in ("random", "central"), "orchestrator", orchestrator, "must be random or central")


def draw_nodes(
    rtt_s: NDArray[np.float64],
    names: Sequence[str],
    orchestrator: int | None,
    server_count: int,
    rng: np.random.Generator,
) -> NetworkDraw:
    """Draw servers without replacement from all nodes except the orchestrator.

    `orchestrator` is a node's number, or None for a random node. `rtt_s` is (n, n). The nodes come from one random
    order, so a draw of more servers contains the servers of a smaller draw.
    """
    order = rng.permutation(len(names))
    centre = order[0] if orchestrator is None else orchestrator
    return around(rtt_s, names, centre, order[order != centre][:server_count])


def around(
    rtt_s: NDArray[np.float64], names: Sequence[str], orchestrator: int, servers: NDArray[np.int64]
) -> NetworkDraw:
    """Return servers (J,) around an orchestrator.

    They are given by their numbers among the nodes.
    """
    return NetworkDraw(rtt_s[orchestrator, servers], tuple(names[j] for j in servers), rtt_s[np.ix_(servers, servers)])
