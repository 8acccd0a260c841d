"""GCA, greedy cache allocation (paper Alg. 2), on the collapsed routing graph.

After server i the next block needed is e_i = a_i + m_i whatever the way there, so all servers with equal e are one
node: the graph has L + 1 nodes (blocks done so far) and a link b -> e for every server that hosts b and ends at
e. Of parallel links only the cheapest with enough slots can be on a shortest path, and slots only ever shrink, so
each (b, e) keeps its servers sorted by cost and moves on when the first no longer fits. A pass costs O(L^2)
whatever J is, and the chains are those of the printed O(J^4) algorithm.
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
    """The chains of Alg. 2: the shortest path with free slots, filled to capacity, again until there is none.

    Raises `InfeasibleError` if there is not a single chain.
    """
    placement.check(system)
    hosts = Hosts(
        placement.first_block,
        placement.end_block,
        placement.cache_slots(system),
        system.communication_s,
        system.block_s,
    )
    return Composition.of_hops(system, placement, *_allocate(hosts, system.model.block_count))


class Hosts(NamedTuple):
    """What the compiled part needs of each server; `free` counts the slots left and shrinks."""

    first_block: Ints
    end_block: Ints
    free: Ints
    communication_s: Floats
    block_s: Floats


class Edges(NamedTuple):
    """For each link b -> e its servers by ascending cost, `server[begin[b, e]:end[b, e]]`, and the first one's cost."""

    server: Ints
    begin: Ints  # (L, L + 1)
    end: Ints  # (L, L + 1)
    cost_s: Floats  # (L, L + 1), infinite without a server


class Chains(NamedTuple):
    """The chains so far; `counts` is how many hops and how many chains there are."""

    hop_server: Ints
    hop_blocks: Ints
    hop_start: Ints
    capacity: Ints
    counts: Ints  # (2,)


def _allocate(hosts: Hosts, model_blocks: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return hops (server, blocks), where each chain's hops start, and the chains' capacities."""
    links = _sorted_links(hosts, model_blocks)
    to_end_s, next_stop = np.zeros(model_blocks + 1), np.zeros(model_blocks, np.int64)
    chains = _with_room(None, 2 * hosts.free.size + model_blocks)
    _find_shortest_paths(links.cost_s, to_end_s, next_stop)
    while not _fill_chains(hosts, links, chains, to_end_s, next_stop):
        chains = _with_room(chains, 2 * chains.hop_server.size)
    hops, count = chains.counts.tolist()
    return chains.hop_server[:hops], chains.hop_blocks[:hops], chains.hop_start[: count + 1], chains.capacity[:count]


def _with_room(chains: Chains | None, hops: int) -> Chains:
    """Return the same chains with room for so many hops."""
    server, blocks = np.zeros((2, hops), np.int64)
    start, capacity = np.zeros((2, hops + 1), np.int64)
    larger = Chains(server, blocks, start, capacity, np.zeros(2, np.int64))
    for column, before in zip(larger, chains or (), strict=False):
        column[: before.size] = before
    return larger


def _sorted_links(hosts: Hosts, model_blocks: int) -> Edges:
    """Return every server on every link that it has slots for; equal costs in the order of the servers."""
    begin = np.maximum(hosts.first_block, hosts.end_block - hosts.free)
    length = hosts.end_block - begin
    server = np.repeat(np.arange(length.size), length)
    b = np.arange(server.size) - np.repeat(np.cumsum(length) - length - begin, length)
    e = hosts.end_block[server]
    link, cost_s = b * (model_blocks + 1) + e, hosts.communication_s[server] + hosts.block_s[server] * (e - b)
    order = np.lexsort((cost_s, link))  # stable
    shape = (model_blocks, model_blocks + 1)
    count = np.bincount(link, minlength=shape[0] * shape[1])
    end = np.cumsum(count)
    first_s = np.full(count.size, np.inf)
    first_s[count > 0] = cost_s[order][(end - count)[count > 0]]
    return Edges(server[order], (end - count).reshape(shape), end.reshape(shape), first_s.reshape(shape))


@compiled
def _fill_chains(hosts: Hosts, links: Edges, chains: Chains, to_end_s: Floats, next_stop: Ints) -> bool:
    """Fill the shortest path with free slots again and again; return whether there is none any more.

    If there is one but no room for its hops, it is left for the next call.
    """
    hops, count = chains.counts[0], chains.counts[1]
    while np.isfinite(to_end_s[0]) and hops + next_stop.size <= chains.hop_server.size:
        b, room, first = 0, _INT_MAX, hops
        while b < next_stop.size:
            e = next_stop[b]
            j = links.server[links.begin[b, e]]
            chains.hop_server[hops], chains.hop_blocks[hops] = j, e - b
            room = min(room, hosts.free[j] // (e - b))
            hops += 1
            b = e
        for hop in range(first, hops):
            _take_slots(hosts, links, chains.hop_server[hop], room * chains.hop_blocks[hop])
        chains.capacity[count] = room
        count += 1
        chains.hop_start[count] = hops
        _find_shortest_paths(links.cost_s, to_end_s, next_stop)
    chains.counts[0], chains.counts[1] = hops, count
    return not np.isfinite(to_end_s[0])


@compiled
def _take_slots(hosts: Hosts, links: Edges, j: int, slots: int) -> None:
    """Line 8 of Alg. 2 for one server of the chain, and the links that it no longer fits."""
    hosts.free[j] -= slots
    e = hosts.end_block[j]
    for b in range(hosts.first_block[j], e):
        if hosts.free[j] < e - b:
            _update_link(hosts, links, b, e)


@compiled
def _update_link(hosts: Hosts, links: Edges, b: int, e: int) -> None:
    """Move link b -> e on to its cheapest server that still has e - b slots."""
    while links.begin[b, e] < links.end[b, e] and hosts.free[links.server[links.begin[b, e]]] < e - b:
        links.begin[b, e] += 1
    links.cost_s[b, e] = np.inf
    if links.begin[b, e] < links.end[b, e]:
        j = links.server[links.begin[b, e]]
        links.cost_s[b, e] = hosts.communication_s[j] + hosts.block_s[j] * (e - b)


@compiled
def _find_shortest_paths(cost_s: Floats, to_end_s: Floats, next_stop: Ints) -> None:
    """Time from every node to the end and the next node on the way: one pass, as all links lead forward."""
    for b in range(next_stop.size - 1, -1, -1):
        to_end_s[b] = np.inf
        for e in range(b + 1, next_stop.size + 1):
            if cost_s[b, e] + to_end_s[e] < to_end_s[b]:
                to_end_s[b] = cost_s[b, e] + to_end_s[e]
                next_stop[b] = e
