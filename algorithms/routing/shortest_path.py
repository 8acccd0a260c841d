"""The shortest path in a graph of hops, with the delays that the state of the servers adds.

One pass suffices, because all hops lead forward.
"""

import numpy as np

from system.code.compiler import compiled
from system.code.signatures import AnswerError


@compiled
def shortest_path(delay, links, cost_s, exit_s, servers, listed, settings, pads, path):  # type: ignore[no-untyped-def]
    """Find the cheapest path, the first of equals; return its number of hops.

    The number is 0 if every path has an infinite delay. Raises `AnswerError` at a delay that is no time, with the delay
    and the number of the hop as the first entries of `pads`. The arguments are:

    - `links`: source, target and blocks of each hop, as in `Links`;
    - `cost_s`: the cost of each hop; `exit_s`: the cost of ending at each server;
    - `servers`: hosted blocks, free slots, unreserved slots and number of jobs listed at each server;
    - `listed`: the time now, then for the jobs listed at each server their ends and their slots, server by server;
    - `pads`: (J + 1,) arrays of floats and of integers as scratch space;
    - `path`: the array that is filled with the numbers of the hops.
    """
    source, target, blocks = links
    hosted, free, unreserved, count = servers
    now_s, end_s, slots = listed
    width = slots.size // hosted.size
    to_end_s, next_hop = pads
    for node in range(to_end_s.size):
        to_end_s[node], next_hop[node] = np.inf, -1
    for n in range(source.size):
        i, j = source[n], target[n]
        onward_s = cost_s[n] + (exit_s[j] if np.isfinite(exit_s[j]) else to_end_s[j])
        if onward_s < to_end_s[i]:  # delays are never negative, so other hops need not be evaluated
            first = j * width
            state = (j, blocks[n], hosted[j], free[j], unreserved[j], now_s, first, first + count[j])
            delay_s = delay(*state, end_s, slots, settings)
            if not delay_s >= 0:  # NaN as well
                to_end_s[0], next_hop[0] = delay_s, n
                raise AnswerError
            onward_s += delay_s
            if onward_s < to_end_s[i]:
                to_end_s[i], next_hop[i] = onward_s, n
    hops, node = 0, exit_s.size
    while next_hop[node] >= 0:
        path[hops] = next_hop[node]
        node = target[next_hop[node]]
        hops += 1
    return hops
