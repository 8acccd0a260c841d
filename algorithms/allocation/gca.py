"""GCA, greedy cache allocation (paper Alg. 2), on a collapsed routing graph.

After server i, the next block needed is e_i = a_i + m_i, on whatever path the job came. So all servers with equal e are
one node. The nodes are the *stops*: the numbers of blocks b after which a job may look for its next server. They are 0
and every e, at most L + 1 in all. There is an edge b -> e for every server that hosts block b and ends at e. Of
parallel edges, only the cheapest with enough slots can be on a shortest path. The number of free slots only ever
shrinks, so each (b, e) keeps its servers sorted by cost and moves on to the next server when the first no longer fits.
A pass costs O(n^2) for n stops and any J, and the chains are those of the printed O(J^4) algorithm.

With direct hops the cost of an edge has the mean crossing of its server (`System.communication_s`), whatever the server
before. The chains then have the times of their own hops, and are sorted by these.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from system import Composition, Placement, System
from system.code.compiler import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_INT_MAX = np.iinfo(np.int64).max


def gca(system: System, placement: Placement) -> Composition:
    """Return the chains of Alg. 2.

    The shortest path with free slots becomes a chain and is filled to its capacity; this is repeated until no path is
    left. Raises `InfeasibleError` if there is no chain.
    """
    hosts = _hosts(system, placement, np.zeros_like(placement.block_count))
    return Composition.of_hops(system, placement, *_allocate(hosts, system.model.block_count))


def gca_published_code(system: System, placement: Placement) -> Composition:
    """Return the chains of Alg. 2, charged for all blocks of their servers.

    So the authors' simulator counts: a job takes the time and the slots of m_j blocks where it runs m_ij. Chains over
    overlapping ranges are then charged for blocks that they do not run, so this is not the default. The simulator also
    leaves out the time of the first hop while it searches for paths. That changed no chain in any of its 320 published
    runs, so it is left out here. Raises `InfeasibleError` if there is no chain.
    """
    hosts = _hosts(system, placement, placement.block_count)
    server, blocks, start, capacity = _allocate(hosts, system.model.block_count)
    charged = placement.block_count[server]
    return Composition.of_hops(system, placement, server, blocks, start, capacity, charged)


class Hosts(NamedTuple):
    """The servers as arrays for compiled code; `free` counts the cache slots left and shrinks."""

    first_block: Ints
    end_block: Ints
    free: Ints
    communication_s: Floats
    block_s: Floats
    least_charged: Ints  # blocks for whose time and slots a hop is charged at least; 0: those that it runs


def _hosts(system: System, placement: Placement, least_charged: Ints) -> Hosts:
    """Return the servers of a checked placement, with all slots free."""
    placement.check(system)
    ranges = placement.first_block, placement.end_block, placement.cache_slots(system)
    return Hosts(*ranges, system.communication_s, system.block_s, least_charged)


class Graph(NamedTuple):
    """The n stops, and the edges from stop u to stop v.

    Server j has edges from stops `first_stop[j]` and later to its own end `end_stop[j]`. The servers of an edge are
    `server[begin[u, v]:end[u, v]]`, by ascending cost; `cost_s[u, v]` is the cost of the first one.
    """

    stop: Ints  # (n,), numbers of blocks, ascending from 0 to L
    first_stop: Ints  # (J,)
    end_stop: Ints  # (J,)
    server: Ints
    begin: Ints  # (n, n)
    end: Ints  # (n, n)
    cost_s: Floats  # (n, n), infinite without a server


class Paths(NamedTuple):
    """The shortest path from each stop to the end: its time, and its next stop."""

    to_end_s: Floats  # (n,)
    next_stop: Ints  # (n,)


class Chains(NamedTuple):
    """The chains found so far; `counts` holds the number of hops and the number of chains."""

    hop_server: Ints
    hop_blocks: Ints
    hop_start: Ints
    capacity: Ints
    time_s: Floats
    counts: Ints  # (2,)


def _allocate(hosts: Hosts, model_blocks: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the hops (server, blocks), the start of each chain's hops, and the capacities."""
    graph = _graph(hosts, model_blocks)
    paths = Paths(np.zeros(graph.stop.size), np.zeros(graph.stop.size, np.int64))
    chains = _with_room(None, 2 * hosts.free.size + model_blocks)
    while not fill_chains(hosts, graph, chains, paths, graph.stop.size):
        chains = _with_room(chains, 2 * chains.hop_server.size)
    hops, count = chains.counts.tolist()
    return chains.hop_server[:hops], chains.hop_blocks[:hops], chains.hop_start[: count + 1], chains.capacity[:count]


def _with_room(chains: Chains | None, hops: int) -> Chains:
    """Return the same chains in arrays with room for `hops` hops."""
    larger = room_for_chains(hops)
    for column, before in zip(larger, chains or (), strict=False):
        column[: before.size] = before
    return larger


def room_for_chains(hops: int) -> Chains:
    """Return no chains, in arrays with room for `hops` hops."""
    server, blocks = np.zeros((2, hops), np.int64)
    start, capacity = np.zeros((2, hops + 1), np.int64)
    return Chains(server, blocks, start, capacity, np.zeros(hops + 1), np.zeros(2, np.int64))


def _graph(hosts: Hosts, model_blocks: int) -> Graph:
    """Return the graph of servers with all slots free.

    An edge has every server with enough slots for it. Servers of equal cost keep their order.
    """
    stop = np.unique(np.concatenate([[0, model_blocks], hosts.end_block]))
    begin = np.maximum(hosts.first_block, hosts.end_block - hosts.free)
    first_stop, end_stop = np.searchsorted(stop, begin), np.searchsorted(stop, hosts.end_block)
    length = np.where(hosts.free < hosts.least_charged, 0, end_stop - first_stop)
    server = np.repeat(np.arange(length.size), length)
    u = np.arange(server.size) - np.repeat(np.cumsum(length) - length - first_stop, length)
    v = end_stop[server]
    charged = np.maximum(stop[v] - stop[u], hosts.least_charged[server])
    edge, cost_s = u * stop.size + v, hosts.communication_s[server] + hosts.block_s[server] * charged
    order = np.lexsort((cost_s, edge))  # stable
    shape = (stop.size, stop.size)
    count = np.bincount(edge, minlength=stop.size**2)
    end = np.cumsum(count)
    first_s = np.full(count.size, np.inf)
    first_s[count > 0] = cost_s[order][(end - count)[count > 0]]
    edges = server[order], (end - count).reshape(shape), end.reshape(shape), first_s.reshape(shape)
    return Graph(stop, first_stop, end_stop, *edges)


@compiled(inline=True)
def _charged(hosts: Hosts, j: int, blocks: int) -> int:
    """Return the blocks that a hop over server j is charged for."""
    return max(blocks, hosts.least_charged[j])


@compiled
def fill_chains(hosts: Hosts, graph: Graph, chains: Chains, paths: Paths, stops: int) -> bool:
    """Turn shortest paths into full chains; return whether no path is left.

    Only the first `stops` entries of the graph count. A path whose hops do not fit into the arrays of `chains` is left
    for the next call.
    """
    hops, count = chains.counts[0], chains.counts[1]
    _find_shortest_paths(graph.cost_s, paths, stops)
    while np.isfinite(paths.to_end_s[0]) and hops + stops <= chains.hop_server.size:
        u, room, first = 0, _INT_MAX, hops
        while u < stops - 1:
            v = paths.next_stop[u]
            j, blocks = graph.server[graph.begin[u, v]], graph.stop[v] - graph.stop[u]
            chains.hop_server[hops], chains.hop_blocks[hops] = j, blocks
            room = min(room, hosts.free[j] // _charged(hosts, j, blocks))
            hops += 1
            u = v
        for hop in range(first, hops):
            j = chains.hop_server[hop]
            _take_slots(hosts, graph, j, room * _charged(hosts, j, chains.hop_blocks[hop]))
        chains.capacity[count], chains.time_s[count] = room, paths.to_end_s[0]
        count += 1
        chains.hop_start[count] = hops
        _find_shortest_paths(graph.cost_s, paths, stops)
    chains.counts[0], chains.counts[1] = hops, count
    return not np.isfinite(paths.to_end_s[0])


@compiled
def _take_slots(hosts: Hosts, graph: Graph, j: int, slots: int) -> None:
    """Take slots from server j and update its edges (Alg. 2, line 8).

    The server leaves the edges for which it has too few slots now.
    """
    hosts.free[j] -= slots
    v = graph.end_stop[j]
    for u in range(graph.first_stop[j], v):
        if hosts.free[j] < _charged(hosts, j, graph.stop[v] - graph.stop[u]):
            _update_edge(hosts, graph, u, v)


@compiled
def _update_edge(hosts: Hosts, graph: Graph, u: int, v: int) -> None:
    """Move an edge on to its cheapest server with enough free slots."""
    graph.cost_s[u, v] = np.inf
    blocks = graph.stop[v] - graph.stop[u]
    while graph.begin[u, v] < graph.end[u, v]:
        j = graph.server[graph.begin[u, v]]
        charged = _charged(hosts, j, blocks)
        if hosts.free[j] >= charged:
            graph.cost_s[u, v] = hosts.communication_s[j] + hosts.block_s[j] * charged
            break
        graph.begin[u, v] += 1


@compiled
def _find_shortest_paths(cost_s: Floats, paths: Paths, stops: int) -> None:
    """Compute every stop's time to the end and next stop.

    One pass from the end suffices, because all edges lead forward.
    """
    paths.to_end_s[stops - 1] = 0.0
    for u in range(stops - 2, -1, -1):
        paths.to_end_s[u] = np.inf
        for v in range(u + 1, stops):
            if cost_s[u, v] + paths.to_end_s[v] < paths.to_end_s[u]:
                paths.to_end_s[u] = cost_s[u, v] + paths.to_end_s[v]
                paths.next_stop[u] = v
