"""The mixed-integer program of Helix: where servers place their blocks so that the flow of tokens is largest.

Server j hosts the blocks from s_j on. The binary z_jb says that these are b blocks, so that they end before block
e_j = s_j + Σ b z_jb. The flow f_ij of tokens from i to j may be positive only if the binary d_ij is 1, and then
s_j <= e_i < e_j: j goes on where i ended, and may run a part of its blocks. Without partial inference, s_j = e_i. The
source leads to servers with s_j = 0, and servers with e_j = L lead to the sink. The flow through j is at most its
tokens/s with b blocks, and that of a link at most its tokens/s.

One more inequality holds for every solution and bounds the program from the start: each token runs all L blocks, and
server j runs at most b blocks for each token that passes it, so L times the flow is at most the sum of
b times the tokens/s of j with b blocks. The paper stops early by the same bound.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Cluster(NamedTuple):
    """What the program knows of J servers and a model of L blocks.

    The last node of `links` is the orchestrator, as source and as sink.
    """

    tokens_per_s: Floats  # (J, most + 1), by hosted blocks; 0 where a server cannot host so many
    links_tokens_per_s: Floats  # (J + 1, J + 1), finite
    links: NDArray[np.bool_]  # (J + 1, J + 1), the links that the program may use
    model_blocks: int  # L
    partial: bool


class Columns(NamedTuple):
    """The numbers of the program's variables."""

    start: Ints  # (J,), s
    server: Ints  # (holds,), the server of each z
    blocks: Ints  # (holds,), its number of blocks
    hold: Ints  # (holds,), z
    source: Ints  # (n,), of each link
    target: Ints  # (n,)
    flow: Ints  # (n,), f in units of `Program.unit_tokens_per_s`
    valid: Ints  # (n,), d

    @property
    def variables(self) -> int:
        """Return the number of variables."""
        return self.start.size + self.hold.size + 2 * self.flow.size


class Rows(NamedTuple):
    """Rows `lower` <= A x <= `upper`, with the entries of A as triples."""

    row: list[Ints]
    column: list[Ints]
    value: list[Floats]
    lower: list[float]
    upper: list[float]

    def add(self, columns: list[Ints], values: list[Floats], lower: float, upper: float) -> None:
        """Add one row with the given entries."""
        column = np.concatenate(columns)
        self.row.append(np.full(column.size, len(self.lower)))
        self.column.append(column)
        self.value.append(np.concatenate(values))
        self.lower.append(lower)
        self.upper.append(upper)


class Program(NamedTuple):
    """The program, with its flows in units that keep the solver's tolerances relative."""

    columns: Columns
    rows: Rows
    upper: Floats  # (variables,); the lower bounds are 0
    unit_tokens_per_s: float


def columns_of(cluster: Cluster) -> Columns:
    """Return the variables of a cluster."""
    count = len(cluster.tokens_per_s)
    server, blocks = np.nonzero(cluster.tokens_per_s)
    source, target = np.nonzero(cluster.links)
    sizes = [count, server.size, source.size, source.size]
    start, hold, flow, valid = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return Columns(start, server, blocks, hold, source, target, flow, valid)


def program_of(cluster: Cluster) -> Program:
    """Return the program that maximises the flow into the sink."""
    columns, rows = columns_of(cluster), Rows([], [], [], [], [])
    unit = _bound_tokens_per_s(cluster)
    capacity = np.minimum(_most_on_links(cluster, columns) / unit, 1.0)
    for j in range(columns.start.size):
        _add_server(j, cluster, columns, rows, unit)
    for n in range(columns.flow.size):
        rows.add([columns.flow[n : n + 1], columns.valid[n : n + 1]], [np.ones(1), -capacity[n : n + 1]], -np.inf, 0)
        _add_link(n, cluster, columns, rows)
    _add_bound(cluster, columns, rows, unit)
    upper = np.ones(columns.variables)
    upper[columns.start] = cluster.model_blocks - 1
    upper[columns.flow] = capacity
    return Program(columns, rows, upper, unit)


def _bound_tokens_per_s(cluster: Cluster) -> float:
    """Return a bound on the flow, above 0, by the best of all servers."""
    work = cluster.tokens_per_s * np.arange(cluster.tokens_per_s.shape[1])
    return max(float(work.max(axis=1).sum()) / cluster.model_blocks, np.finfo(float).tiny)


def _most_on_links(cluster: Cluster, columns: Columns) -> Floats:
    """Return (n,) the most tokens/s of each link and the servers at its ends."""
    nodes = np.append(cluster.tokens_per_s.max(axis=1), np.inf)
    source, target = columns.source, columns.target
    return np.minimum(cluster.links_tokens_per_s[source, target], np.minimum(nodes[source], nodes[target]))


def _add_server(j: int, cluster: Cluster, columns: Columns, rows: Rows, unit: float) -> None:
    """Add the rows of a server: a range, the balance of flows, a capacity."""
    holds = np.flatnonzero(columns.server == j)
    hold, blocks = columns.hold[holds], columns.blocks[holds]
    into, out = columns.flow[columns.target == j], columns.flow[columns.source == j]
    rows.add([hold], [np.ones(hold.size)], -np.inf, 1)
    rows.add([columns.start[j : j + 1], hold], [np.ones(1), blocks.astype(float)], -np.inf, cluster.model_blocks)
    rows.add([into, out], [np.ones(into.size), -np.ones(out.size)], 0, 0)
    rows.add([into, hold], [np.ones(into.size), -cluster.tokens_per_s[j, blocks] / unit], -np.inf, 0)


def _add_link(n: int, cluster: Cluster, columns: Columns, rows: Rows) -> None:
    """Add what holds for the ranges of two servers if a link is valid."""
    i, j, blocks = int(columns.source[n]), int(columns.target[n]), float(cluster.model_blocks)
    valid, orchestrator = columns.valid[n : n + 1], columns.start.size
    if i == orchestrator:  # s_j = 0
        rows.add([columns.start[j : j + 1], valid], [np.ones(1), np.full(1, blocks)], -np.inf, blocks)
        return
    end, ones = _end_of(i, columns)
    if j == orchestrator:  # e_i = L
        rows.add([end, valid], [ones, np.full(1, -blocks)], 0, np.inf)
        return
    begin = columns.start[j : j + 1]
    rows.add([begin, end, valid], [np.ones(1), -ones, np.full(1, blocks)], -np.inf, blocks)  # s_j <= e_i
    if cluster.partial:  # e_i < e_j
        onward, plus = _end_of(j, columns)
        rows.add([end, onward, valid], [ones, -plus, np.full(1, blocks + 1)], -np.inf, blocks)
    else:  # s_j >= e_i
        rows.add([begin, end, valid], [np.ones(1), -ones, np.full(1, -blocks)], -blocks, np.inf)


def _end_of(j: int, columns: Columns) -> tuple[Ints, Floats]:
    """Return the variables of e_j and their coefficients."""
    holds = np.flatnonzero(columns.server == j)
    return np.append(columns.start[j], columns.hold[holds]), np.append(1.0, columns.blocks[holds])


def _add_bound(cluster: Cluster, columns: Columns, rows: Rows, unit: float) -> None:
    """Add the bound by all servers' computing."""
    into = columns.flow[columns.target == columns.start.size]
    work = columns.blocks * cluster.tokens_per_s[columns.server, columns.blocks] / unit
    rows.add([into, columns.hold], [np.full(into.size, float(cluster.model_blocks)), -work], -np.inf, 0)
