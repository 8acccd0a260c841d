"""From a state to its value: the placement of Alg. 1, the chains of Alg. 2, and the best prefix of them, compiled."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from algorithms.allocation.gca import fill_chains
from algorithms.placement.reservation import blocks_beside, form_in_order
from system.checks import SLACK
from system.code.compiler import compiled

# The value of a state that cannot serve λ: above that of any other, but less the more it can serve.
UNSTABLE = 1e30
NO_CHAIN = 1e60


@compiled
def set_placement(problem, state, work):
    """Set the placement of a state by Alg. 1.

    The servers join chains in the order of the state, each with its own reservation.
    """
    block_gb, cache_gb, blocks = problem.model[0], problem.model[1], int(problem.model[2])
    for j in range(state.block_count.size):
        reserved = state.reservation[j]
        state.block_count[j] = blocks_beside(problem.memory_gb[j], block_gb, cache_gb, reserved, problem.most_blocks[j])
    times_s, formed = (problem.communication_s, problem.block_s), (state.first_block, work.hosts.end_block, work.chain)
    form_in_order(state.order, state.block_count, times_s[0], times_s[1], blocks, np.inf, False, formed)


@compiled
def value_of(valued, problem, state, work):
    """Return the least value of any prefix of the chains of a placement."""
    stops = _set_graph(problem, state, work)
    chains = work.chains
    chains.counts[0], chains.counts[1] = 0, 0
    fill_chains(work.hosts, work.graph, chains, work.paths, stops)
    count = chains.counts[1]
    if count == 0:
        return NO_CHAIN
    rate_per_s = problem.arrival_rate_per_s
    least, total_per_s = np.inf, 0.0
    for k in range(count):
        total_per_s += chains.capacity[k] / chains.time_s[k]
        work.value[k] = np.inf
    if rate_per_s < total_per_s:
        valued(rate_per_s, chains.time_s, chains.capacity, count, work.settings, work.scratch, work.value)
        for k in range(count):
            least = min(least, work.value[k])
    return least if least < np.inf else UNSTABLE * rate_per_s / total_per_s


@compiled
def _set_graph(problem, state, work):
    """Set GCA's graph of a placement, with all slots free.

    Returns the number of stops.
    """
    hosts, stop_of, blocks = work.hosts, work.stop_of, int(problem.model[2])
    for b in range(blocks + 1):
        stop_of[b] = 0
    stop_of[blocks] = 1
    for j in range(state.block_count.size):
        free_gb = max(problem.memory_gb[j] - problem.model[0] * state.block_count[j], 0.0)
        hosts.free[j] = int(np.floor(free_gb / problem.model[1] * (1 + SLACK))) if state.block_count[j] > 0 else 0
        hosts.first_block[j] = state.first_block[j]
        hosts.end_block[j] = state.first_block[j] + state.block_count[j]
        if hosts.free[j] > 0:
            stop_of[hosts.end_block[j]] = 1
    stops, graph = 1, work.graph
    graph.stop[0] = 0
    stop_of[0] = 0
    for b in range(1, blocks + 1):
        if stop_of[b]:
            graph.stop[stops] = b
            stops += 1
        stop_of[b] = stops - 1 if stop_of[b] else stops
    for u in range(stops):
        for v in range(stops):
            graph.begin[u, v], graph.end[u, v], graph.cost_s[u, v] = 0, 0, np.inf
    _set_edges(hosts, stop_of, graph, stops)
    return stops


@compiled
def _set_edges(hosts, stop_of, graph, stops):
    """Sort every server into its edges by cost.

    Servers of equal cost keep their order.
    """
    for j in range(hosts.free.size):
        begin = max(hosts.first_block[j], hosts.end_block[j] - hosts.free[j])
        graph.first_stop[j], graph.end_stop[j] = 0, 0
        if hosts.free[j] > 0:
            graph.first_stop[j], graph.end_stop[j] = stop_of[begin], stop_of[hosts.end_block[j]]
            graph.begin[0, graph.end_stop[j]] += 1  # counts the servers that end there, at first
    used = 0
    for v in range(stops):
        servers = graph.begin[0, v]
        for u in range(v):
            graph.begin[u, v], graph.end[u, v] = used, used
            used += servers
    for j in range(hosts.free.size):
        v = graph.end_stop[j]
        for u in range(graph.first_stop[j], v):
            _insert(hosts, graph, u, v, j)


@compiled(inline=True)
def _insert(hosts, graph, u, v, j):
    """Insert server j behind the servers of an edge that cost no more."""
    blocks, i = graph.stop[v] - graph.stop[u], graph.end[u, v]
    cost_s = hosts.communication_s[j] + hosts.block_s[j] * blocks
    while i > graph.begin[u, v]:
        before = graph.server[i - 1]
        if hosts.communication_s[before] + hosts.block_s[before] * blocks <= cost_s:
            break
        graph.server[i] = before
        i -= 1
    graph.server[i] = j
    graph.end[u, v] += 1
    if i == graph.begin[u, v]:
        graph.cost_s[u, v] = cost_s
