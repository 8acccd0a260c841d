"""The exact mean response time of JFFC, and ν, for every prefix of a row of chains, compiled for searches.

The recursion of the loss system (`loss_system`) passes through every prefix on its way, so one pass gives the means of
all of them. The arithmetic needs neither new arrays nor BLAS, so it gives the same bits wherever numbers are IEEE's.
"""

import numpy as np
from numpy.typing import NDArray

from algorithms.composition_search.values import PREFIX_VALUES
from evaluators.queueing.loss_system import beyond_slot
from system.code.compiler import compiled

Floats = NDArray[np.float64]

NO_LOSS = 1e-13  # share of jobs that reach further chains, below which these change no mean
SAME_RATE = 1e-13  # relative difference of rates that count as one
LEAST_SPARE = 1e-9  # spare rate over ν, below which a prefix counts as unstable


@compiled(inline=True)
def _mean_s(arrival_rate, blocked, alone_s, slots, total_rate, spare):  # type: ignore[no-untyped-def]
    """Return the mean with a queue from that of the loss system."""
    normaliser = 1 + blocked * arrival_rate / spare
    waiting = blocked * (1 + arrival_rate / spare) / normaliser
    return alone_s / normaliser + waiting * (slots / total_rate + 1 / spare)


@compiled
def set_nodes(arrival_rate, slowest_s, scratch):  # type: ignore[no-untyped-def]
    """Set the nodes s, down to the smallest rate, and g = 0 there.

    The last point, after the nodes, is s = 0.
    """
    nodes = scratch.shape[1] - 1
    half = np.log1p(arrival_rate * slowest_s) / 2
    for node in range(nodes):
        angle = (2 * node + 1) * np.pi / (2 * nodes)
        v = half * (np.cos(angle) - 1)
        scratch[nodes, node] = arrival_rate / np.expm1(-v)
        scratch[nodes + 1, node] = 0.0
        scratch[nodes + 3, node] = v
        scratch[nodes + 4, node] = np.sin(angle) * (1 - 2 * (node % 2))
    scratch[nodes, nodes] = 0.0


@compiled
def set_shift(arrival_rate, rate, scratch):  # type: ignore[no-untyped-def]
    """Set the interpolation matrix (nodes, points) to the points s + rate.

    Column p holds the coefficients of the values at the nodes that give the value at point p.
    """
    nodes = scratch.shape[1] - 1
    shifted_v, total, s, v, weight = (
        scratch[nodes + 2],
        scratch[nodes + 5],
        scratch[nodes],
        scratch[nodes + 3],
        scratch[nodes + 4],
    )
    for point in range(nodes + 1):
        shifted_v[point] = -np.log1p(arrival_rate / (s[point] + rate))
        total[point] = 0.0
    for node in range(nodes):
        row = scratch[node]
        for point in range(nodes + 1):
            # 1e-300 changes no distance but 0, and the coefficient of that node then outweighs all others.
            row[point] = weight[node] / (shifted_v[point] - v[node] + 1e-300)
            total[point] += row[point]
    for point in range(nodes + 1):
        total[point] = 1 / total[point]
    for node in range(nodes):
        row = scratch[node]
        for point in range(nodes + 1):
            row[point] *= total[point]


@compiled
def _interpolate(scratch):  # type: ignore[no-untyped-def]
    """Set the values of g at all points.

    Terms are added in the order of the nodes, so that sums do not depend on the machine.
    """
    nodes = scratch.shape[1] - 1
    g, shifted = scratch[nodes + 1], scratch[nodes + 2]
    for point in range(nodes + 1):
        shifted[point] = 0.0
    for node in range(nodes):
        row = scratch[node]
        for point in range(nodes + 1):
            shifted[point] += row[point] * g[node]


@compiled
def pass_chain(arrival_rate, rate, slots, blocked, scratch):  # type: ignore[no-untyped-def]
    """Return the share of jobs that find one more chain full."""
    nodes = scratch.shape[1] - 1
    s, g, shifted = scratch[nodes], scratch[nodes + 1], scratch[nodes + 2]
    for _ in range(slots):
        _interpolate(scratch)
        blocked *= arrival_rate / (arrival_rate + shifted[nodes] + rate)
        for node in range(nodes):
            g[node] = beyond_slot(arrival_rate, s[node], g[node], shifted[node], rate)
    return blocked


@compiled(PREFIX_VALUES)
def prefix_means(arrival_rate, time_s, capacity, count, settings, scratch, mean_s):  # type: ignore[no-untyped-def]
    """Write the mean response time of every prefix, in s.

    It is infinite for prefixes that are unstable.
    """
    set_nodes(arrival_rate, time_s[count - 1], scratch)
    blocked, slots, total_rate, alone_s, rate = 1.0, 0, 0.0, 0.0, np.inf
    for k in range(count):
        if blocked < NO_LOSS and mean_s[k - 1] < np.inf:
            mean_s[k] = mean_s[k - 1]
            continue
        if 1 / time_s[k] < rate * (1 - SAME_RATE):
            rate = 1 / time_s[k]
            set_shift(arrival_rate, rate, scratch)
        beyond = pass_chain(arrival_rate, rate, capacity[k], blocked, scratch)
        alone_s += (blocked - beyond) / rate
        blocked = beyond
        slots += capacity[k]
        total_rate += capacity[k] * rate
        spare = total_rate - arrival_rate
        mean_s[k] = np.inf
        if spare > LEAST_SPARE * total_rate:
            mean_s[k] = _mean_s(arrival_rate, blocked, alone_s, slots, total_rate, spare)


@compiled(PREFIX_VALUES)
def prefix_rates(arrival_rate, time_s, capacity, count, settings, scratch, gap_s):  # type: ignore[no-untyped-def]
    """Write 1/ν of every prefix of the chains, in s."""
    total_rate = 0.0
    for k in range(count):
        total_rate += capacity[k] / time_s[k]
        gap_s[k] = 1 / total_rate
