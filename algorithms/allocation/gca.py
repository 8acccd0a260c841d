"""GCA, greedy cache allocation (paper Alg. 2), on a collapsed routing graph.

After server i, the next block needed is e_i = a_i + m_i, on whatever path the job came. So all servers with equal e are
one node. The graph has L + 1 nodes, the numbers of blocks done so far, and an edge b -> e for every server that hosts
block b and ends at e. Of parallel edges, only the cheapest with enough slots can be on a shortest path. The number of
free slots only ever shrinks, so each (b, e) keeps its servers sorted by cost and moves on to the next server when the
first no longer fits. A pass costs O(L^2) for any J, and the chains are those of the printed O(J^4) algorithm.
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
    """Return the chains of Alg. 2 if every hop costs what all blocks of its server cost.

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


class Edges(NamedTuple):
    """The edges b -> e of the graph.

    The servers of an edge are `server[begin[b, e]:end[b, e]]`, by ascending cost; `cost_s[b, e]` is the cost of the
    first one.
    """

    server: Ints
    begin: Ints  # (L, L + 1)
    end: Ints  # (L, L + 1)
    cost_s: Floats  # (L, L + 1), infinite without a server


class Chains(NamedTuple):
    """The chains found so far; `counts` holds the number of hops and the number of chains."""

    hop_server: Ints
    hop_blocks: Ints
    hop_start: Ints
    capacity: Ints
    counts: Ints  # (2,)


def _allocate(hosts: Hosts, model_blocks: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the hops (server, blocks), the start of each chain's hops, and the capacities."""
    edges = _sorted_edges(hosts, model_blocks)
    to_end_s, next_stop = np.zeros(model_blocks + 1), np.zeros(model_blocks, np.int64)
    chains = _with_room(None, 2 * hosts.free.size + model_blocks)
    _find_shortest_paths(edges.cost_s, to_end_s, next_stop)
    while not _fill_chains(hosts, edges, chains, to_end_s, next_stop):
        chains = _with_room(chains, 2 * chains.hop_server.size)
    hops, count = chains.counts.tolist()
    return chains.hop_server[:hops], chains.hop_blocks[:hops], chains.hop_start[: count + 1], chains.capacity[:count]


def _with_room(chains: Chains | None, hops: int) -> Chains:
    """Return the same chains in arrays with room for `hops` hops."""
    server, blocks = np.zeros((2, hops), np.int64)
    start, capacity = np.zeros((2, hops + 1), np.int64)
    larger = Chains(server, blocks, start, capacity, np.zeros(2, np.int64))
    for column, before in zip(larger, chains or (), strict=False):
        column[: before.size] = before
    return larger


def _sorted_edges(hosts: Hosts, model_blocks: int) -> Edges:
    """Return the edges with every server that has enough slots for them.

    Servers of equal cost keep their order.
    """
    begin = np.maximum(hosts.first_block, hosts.end_block - hosts.free)
    length = np.where(hosts.free < hosts.least_charged, 0, hosts.end_block - begin)
    server = np.repeat(np.arange(length.size), length)
    b = np.arange(server.size) - np.repeat(np.cumsum(length) - length - begin, length)
    e = hosts.end_block[server]
    charged = np.maximum(e - b, hosts.least_charged[server])
    edge, cost_s = b * (model_blocks + 1) + e, hosts.communication_s[server] + hosts.block_s[server] * charged
    order = np.lexsort((cost_s, edge))  # stable
    shape = (model_blocks, model_blocks + 1)
    count = np.bincount(edge, minlength=shape[0] * shape[1])
    end = np.cumsum(count)
    first_s = np.full(count.size, np.inf)
    first_s[count > 0] = cost_s[order][(end - count)[count > 0]]
    return Edges(server[order], (end - count).reshape(shape), end.reshape(shape), first_s.reshape(shape))


@compiled(inline=True)
def _charged(hosts: Hosts, j: int, blocks: int) -> int:
    """Return the blocks for whose time and slots a hop over server j is charged."""
    return max(blocks, hosts.least_charged[j])


@compiled
def _fill_chains(hosts: Hosts, edges: Edges, chains: Chains, to_end_s: Floats, next_stop: Ints) -> bool:
    """Turn shortest paths into full chains; return whether no path is left.

    A path whose hops do not fit into the arrays of `chains` is left for the next call.
    """
    hops, count = chains.counts[0], chains.counts[1]
    while np.isfinite(to_end_s[0]) and hops + next_stop.size <= chains.hop_server.size:
        b, room, first = 0, _INT_MAX, hops
        while b < next_stop.size:
            e = next_stop[b]
            j = edges.server[edges.begin[b, e]]
            chains.hop_server[hops], chains.hop_blocks[hops] = j, e - b
            room = min(room, hosts.free[j] // _charged(hosts, j, e - b))
            hops += 1
            b = e
        for hop in range(first, hops):
            j = chains.hop_server[hop]
            _take_slots(hosts, edges, j, room * _charged(hosts, j, chains.hop_blocks[hop]))
        chains.capacity[count] = room
        count += 1
        chains.hop_start[count] = hops
        _find_shortest_paths(edges.cost_s, to_end_s, next_stop)
    chains.counts[0], chains.counts[1] = hops, count
    return not np.isfinite(to_end_s[0])


@compiled
def _take_slots(hosts: Hosts, edges: Edges, j: int, slots: int) -> None:
    """Take slots from server j and update its edges (Alg. 2, line 8).

    The server leaves the edges for which it has too few slots now.
    """
    hosts.free[j] -= slots
    e = hosts.end_block[j]
    for b in range(hosts.first_block[j], e):
        if hosts.free[j] < _charged(hosts, j, e - b):
            _update_edge(hosts, edges, b, e)


@compiled
def _update_edge(hosts: Hosts, edges: Edges, b: int, e: int) -> None:
    """Move an edge on to its cheapest server with enough free slots."""
    edges.cost_s[b, e] = np.inf
    while edges.begin[b, e] < edges.end[b, e]:
        j = edges.server[edges.begin[b, e]]
        charged = _charged(hosts, j, e - b)
        if hosts.free[j] >= charged:
            edges.cost_s[b, e] = hosts.communication_s[j] + hosts.block_s[j] * charged
            break
        edges.begin[b, e] += 1


@compiled
def _find_shortest_paths(cost_s: Floats, to_end_s: Floats, next_stop: Ints) -> None:
    """Compute every node's time to the end and next node.

    One pass from the end suffices, because all edges lead forward.
    """
    for b in range(next_stop.size - 1, -1, -1):
        to_end_s[b] = np.inf
        for e in range(b + 1, next_stop.size + 1):
            if cost_s[b, e] + to_end_s[e] < to_end_s[b]:
                to_end_s[b] = cost_s[b, e] + to_end_s[e]
                next_stop[b] = e
