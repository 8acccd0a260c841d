"""Networks from the Internet Topology Zoo, in the `.graph` format of Repetita.

A file has a line `NODES n`, a header and n rows of (label, x, y), then a line `EDGES e`, a header and e rows of (label,
source, destination, weight, bandwidth, delay). Nodes are counted from 0, delays are in microseconds, and each link is
listed in both directions.
"""

from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

from hardware_profiles.networks.draw import (
    NetworkDraw,
    NetworkFile,
    draw_nodes,
    require_nodes,
    require_orchestrator,
    require_size,
)
from system.checks import echo
from system.documents.text_files import read_text
from system.errors import InputError
from system.limits import DELAY_S, DOCUMENT_BYTES

LONGEST_US = DELAY_S * 10**6


class Line(NamedTuple):
    """One line of a file, with its location for error messages."""

    location: str
    fields: list[str]


@dataclass(frozen=True)
class Topology:
    """n nodes with their degrees and the times between all pairs."""

    names: tuple[str, ...]  # (n,)
    degree: NDArray[np.int64]  # (n,), number of links that leave each node
    rtt_s: NDArray[np.float64]  # (n, n)


@dataclass(frozen=True)
class TopologyZoo:
    """Random nodes of a real backbone.

    The time between two nodes is that of the shortest path there and of the shortest path back. The orchestrator is a
    random node, or `central`: the one with the highest degree.
    """

    dataset: NetworkFile
    orchestrator: str = "random"

    def __post_init__(self) -> None:
        require_orchestrator(self.orchestrator)

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J nodes without replacement from all except the orchestrator."""
        path = self.dataset.path()
        topology = read_topology(path)
        require_nodes(server_count, len(topology.names) - 1, f"the network of {path.name}")
        centre = int(topology.degree.argmax()) if self.orchestrator == "central" else None
        return draw_nodes(topology.rtt_s, topology.names, centre, server_count, rng)


@cache
def read_topology(path: Path) -> Topology:
    """Read the network of a file.

    A process reads a file once. Raises `InputError` with the number of a line that is not as described above, or if the
    network is not connected.
    """
    text = read_text(path).splitlines()
    lines = [Line(f"{path.name}, line {n}", line.split()) for n, line in enumerate(text, 1) if line.strip()]
    nodes, rest = _section(path.name, lines, "NODES", 3)
    links, rest = _section(path.name, rest, "EDGES", 6)
    if rest:
        raise InputError(f"{rest[0].location}: nothing may follow the rows that EDGES announces; correct the count")
    require_size(len(nodes), path.name)
    names = tuple(node.fields[0] for node in nodes)
    ends = np.array([_link_ends(link, len(names)) for link in links], dtype=np.int64).reshape(-1, 2)
    delay_s = np.array([_delay_s(link) for link in links])
    return Topology(names, np.bincount(ends[:, 0], minlength=len(names)), _rtt_s(path.name, names, ends, delay_s))


def _section(file: str, lines: list[Line], keyword: str, width: int) -> tuple[list[Line], list[Line]]:
    """Return the rows of the first section and the lines after it.

    Each row must have `width` fields.
    """
    if not lines:
        raise InputError(f"{file} has no {keyword} section; get the file again")
    location, fields = lines[0]
    if fields[0] != keyword or len(fields) != 2 or not _is_number(fields[1]):
        text = echo(" ".join(fields))
        raise InputError(f"{location}: {text}: must be {keyword} and the number of rows that follow")
    count = int(fields[1])
    rows = lines[2 : 2 + count]
    for row in rows:
        if len(row.fields) != width:
            raise InputError(
                f"{row.location}: {len(row.fields)} fields: a row of {keyword} has {width}; correct it or count {count}"
            )
    if count == 0 or len(rows) < count:
        raise InputError(f"{location}: {keyword} {count}: must be above 0 and the number of rows, here {len(rows)}")
    return rows, lines[2 + count :]


def _is_number(text: str) -> bool:
    """Return whether a text is a number of rows or nodes."""
    return text.isdecimal() and len(text) < len(str(DOCUMENT_BYTES))


def _link_ends(link: Line, node_count: int) -> tuple[int, int]:
    source, destination = link.fields[1:3]
    for end in (source, destination):
        if not (_is_number(end) and int(end) < node_count):
            raise InputError(f"{link.location}: node {echo(end)}: must be a number from 0 to {node_count - 1}")
    return int(source), int(destination)


def _delay_s(link: Line) -> float:
    text = link.fields[5]
    try:
        delay_us = float(text)
    except ValueError:
        delay_us = -1.0
    if not 0 < delay_us <= LONGEST_US:
        remedy = f"must be a number of microseconds above 0, at most {LONGEST_US:,g}"
        raise InputError(f"{link.location}: delay {echo(text)}: {remedy}")
    return delay_us * 1e-6


def _rtt_s(
    file: str, names: tuple[str, ...], ends: NDArray[np.int64], delay_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, n) delays of the shortest paths there and back."""
    direct_s = np.full((len(names), len(names)), inf)
    # Some networks have parallel links, of which the fastest counts.
    np.minimum.at(direct_s, (ends[:, 0], ends[:, 1]), delay_s)
    path_s = shortest_path(direct_s, method="D")
    unconnected = np.argwhere(np.isinf(path_s))
    if unconnected.size:
        source, destination = (names[node] for node in unconnected[0])
        raise InputError(f"{file}: no path leads from {source} to {destination}; the network must be connected")
    return path_s + path_s.T
