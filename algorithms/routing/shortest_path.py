"""The shortest path in a graph of hops, with the delays that the servers' state adds: one pass, as all lead forward."""

import numpy as np
from numba import float64, int64, njit, types

from algorithms.routing import DELAY

_INTEGERS, _VECTOR = int64[::1], float64[::1]
FIND_PATH = int64(
    types.FunctionType(DELAY),
    types.UniTuple(_INTEGERS, 3),  # source, target, blocks of each hop, as `Links`
    _VECTOR,  # its cost
    _VECTOR,  # cost of ending at each server
    types.UniTuple(_INTEGERS, 4),  # of each server: hosted blocks, free slots, unreserved slots, jobs present
    types.Tuple((float64, _VECTOR, _INTEGERS)),  # now; when the jobs present end and their slots, server by server
    _VECTOR,  # settings
    _INTEGERS,  # filled with the hops of the path
)


@njit(FIND_PATH, cache=True)
def shortest_path(delay, links, cost_s, exit_s, servers, present, settings, path):  # type: ignore[no-untyped-def]
    """The number of hops of the cheapest path, the first of equals; 0 if each has an infinite delay."""
    source, target, blocks = links
    hosted, free, unreserved, count = servers
    now_s, end_s, slots = present
    width = slots.size // hosted.size
    to_end_s = np.full(exit_s.size + 1, np.inf)
    next_hop = np.full(exit_s.size + 1, -1, np.int64)
    for n in range(source.size):
        i, j = source[n], target[n]
        onward_s = cost_s[n] + (exit_s[j] if np.isfinite(exit_s[j]) else to_end_s[j])
        if onward_s < to_end_s[i]:  # delays only add
            first = j * width
            state = (blocks[n], hosted[j], free[j], unreserved[j], now_s, first, first + count[j])
            onward_s += delay(*state, end_s, slots, settings)
            if onward_s < to_end_s[i]:
                to_end_s[i], next_hop[i] = onward_s, n
    hops, node = 0, exit_s.size
    while next_hop[node] >= 0:
        path[hops] = next_hop[node]
        node = target[next_hop[node]]
        hops += 1
    return hops
