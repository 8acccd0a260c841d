"""GCA, greedy cache allocation (paper Alg. 2), on the collapsed routing graph.

After server i the next block needed is e_i = a_i + m_i whatever the way there, so all servers with equal e are one
node: the graph has L + 1 nodes (blocks done so far) and a link b -> e for every server that hosts b and ends at
e. Of parallel links only the cheapest with enough slots can be on a shortest path, and slots only ever shrink, so
each (b, e) keeps its servers sorted by cost and moves on when the first no longer fits. A pass costs O(L^2)
whatever J is, and the chains are those of the printed O(J^4) algorithm.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from system import Composition, Placement, System

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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


class Links(NamedTuple):
    """For each link b -> e its servers by ascending cost, `server[begin[b, e]:end[b, e]]`, and the first one's cost."""

    server: Ints
    begin: Ints  # (L, L + 1)
    end: Ints  # (L, L + 1)
    cost_s: Floats  # (L, L + 1), infinite without a server


@njit(cache=True)
def _allocate(hosts: Hosts, model_blocks: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Hops (server, blocks), where each chain's hops start, and the chains' capacities."""
    links = _sorted_links(hosts, model_blocks)
    to_end_s = np.zeros(model_blocks + 1)
    next_stop = np.zeros(model_blocks, np.int64)
    hop_server, hop_blocks, hop_start, capacity = [0], [0], [0], [0]
    for empty in (hop_server, hop_blocks, capacity):  # the compiler learns a list's type from an element
        empty.clear()
    _find_shortest_paths(links.cost_s, to_end_s, next_stop)
    while np.isfinite(to_end_s[0]):
        b, room = 0, hosts.free.max()
        while b < model_blocks:
            e = next_stop[b]
            j = links.server[links.begin[b, e]]
            hop_server.append(j)
            hop_blocks.append(e - b)
            room = min(room, hosts.free[j] // (e - b))
            b = e
        for hop in range(hop_start[-1], len(hop_server)):
            _take_slots(hosts, links, hop_server[hop], room * hop_blocks[hop])
        hop_start.append(len(hop_server))
        capacity.append(room)
        _find_shortest_paths(links.cost_s, to_end_s, next_stop)
    return np.array(hop_server), np.array(hop_blocks), np.array(hop_start), np.array(capacity)


@njit(cache=True)
def _sorted_links(hosts: Hosts, model_blocks: int) -> Links:
    """Every server on every link that it has slots for; equal costs in the order of the servers."""
    count = np.zeros((model_blocks, model_blocks + 1), np.int64)
    for j in range(hosts.free.size):
        e = hosts.end_block[j]
        for b in range(max(hosts.first_block[j], e - hosts.free[j]), e):
            count[b, e] += 1
    end = np.cumsum(count).reshape(count.shape)
    begin = end - count
    server = np.empty(end[-1, -1], np.int64)
    filled = begin.copy()
    for j in range(hosts.free.size):
        e = hosts.end_block[j]
        for b in range(max(hosts.first_block[j], e - hosts.free[j]), e):
            server[filled[b, e]] = j
            filled[b, e] += 1
    links = Links(server, begin, end, np.full(count.shape, np.inf))
    for b in range(model_blocks):
        for e in range(b + 1, model_blocks + 1):
            here = server[begin[b, e] : end[b, e]]
            if here.size > 0:
                by_cost = np.argsort(hosts.communication_s[here] + hosts.block_s[here] * (e - b), kind="mergesort")
                server[begin[b, e] : end[b, e]] = here[by_cost]
                _update_link(hosts, links, b, e)
    return links


@njit(cache=True)
def _take_slots(hosts: Hosts, links: Links, j: int, slots: int) -> None:
    """Line 8 of Alg. 2 for one server of the chain, and the links that it no longer fits."""
    hosts.free[j] -= slots
    e = hosts.end_block[j]
    for b in range(hosts.first_block[j], e):
        if hosts.free[j] < e - b:
            _update_link(hosts, links, b, e)


@njit(cache=True)
def _update_link(hosts: Hosts, links: Links, b: int, e: int) -> None:
    """Move link b -> e on to its cheapest server that still has e - b slots."""
    while links.begin[b, e] < links.end[b, e] and hosts.free[links.server[links.begin[b, e]]] < e - b:
        links.begin[b, e] += 1
    links.cost_s[b, e] = np.inf
    if links.begin[b, e] < links.end[b, e]:
        j = links.server[links.begin[b, e]]
        links.cost_s[b, e] = hosts.communication_s[j] + hosts.block_s[j] * (e - b)


@njit(cache=True)
def _find_shortest_paths(cost_s: Floats, to_end_s: Floats, next_stop: Ints) -> None:
    """Time from every node to the end and the next node on the way: one pass, as all links lead forward."""
    for b in range(next_stop.size - 1, -1, -1):
        to_end_s[b] = np.inf
        for e in range(b + 1, next_stop.size + 1):
            if cost_s[b, e] + to_end_s[e] < to_end_s[b]:
                to_end_s[b] = cost_s[b, e] + to_end_s[e]
                next_stop[b] = e
