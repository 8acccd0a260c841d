"""The loss system of ordered hunting: a job takes the first free slot in a fixed order, or is lost.

The overflow of slot k is the arrival process of slot k + 1 (Palm). With h_k = λ (1/φ_k - 1), where φ_k is the Laplace
transform of the inter-arrival time of the overflow after k slots,

    h_0(s) = s,   h_k(s) = h_{k-1}(s) (λ + h_{k-1}(s + μ_k)) / (λ + h_{k-1}(s)),
    B_k = B_{k-1} λ / (λ + h_{k-1}(μ_k)):  the share of jobs that find the k fastest slots busy.

g_k(s) = h_k(s) - s is smooth and bounded. It is represented by its values at Chebyshev nodes in v = ln(s / (s + λ)).
"""

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.theorem4 import NEGLIGIBLE
from system.code.compiler import compiled

Floats = NDArray[np.float64]


@compiled(creates_arrays=True)
def loss_system(
    arrival_rate: float, rate: Floats, capacity: NDArray[np.int64], nodes: int, most_slots: int
) -> tuple[float, Floats]:
    """Return the blocking probability B and the share of arrivals served by each chain.

    The rates descend; of chains with equal rates, jobs take the first. B is NaN if jobs reach more than `most_slots`.
    """
    s, v, weight = nodes_above(arrival_rate, rate[-1], nodes)
    g = np.zeros(nodes)
    shift, shifted = np.empty((nodes + 1, nodes)), np.empty(nodes + 1)
    taken = np.zeros(rate.size)
    blocked, slots = 1.0, 0
    for k in range(rate.size):
        if k == 0 or rate[k] != rate[k - 1]:
            shift = shift_by(rate[k], arrival_rate, s, v, weight)
        for _ in range(capacity[k]):
            slots += 1
            if slots > most_slots:
                return np.nan, taken
            h = add_slot(g, s, shift, shifted, rate[k], arrival_rate)
            taken[k] += blocked * h / (arrival_rate + h)
            blocked *= arrival_rate / (arrival_rate + h)
            if blocked < NEGLIGIBLE:  # no job reaches the slots beyond
                return 0.0, taken
    return blocked, taken


@compiled(inline=True)
def beyond_slot(arrival_rate: float, s: float, g: float, shifted: float, rate: float) -> float:
    """Return g_k(s) from g = g_{k-1}(s) and `shifted` = g_{k-1}(s + μ_k)."""
    h = g + s
    return g + h * (shifted - g + rate) / (arrival_rate + h)


@compiled(creates_arrays=True)
def nodes_above(arrival_rate: float, least: float, nodes: int) -> tuple[Floats, Floats, Floats]:
    """Return nodes s >= `least`, their v, and interpolation weights (nodes,)."""
    half = np.log1p(arrival_rate / least) / 2  # v runs from -2 half, at the least s, to 0
    angle = (2 * np.arange(nodes) + 1) * np.pi / (2 * nodes)
    v = half * (np.cos(angle) - 1)
    weight = np.sin(angle)
    weight[1::2] *= -1
    return arrival_rate / np.expm1(-v), v, weight


@compiled(creates_arrays=True)
def shift_by(rate: float, arrival_rate: float, s: Floats, v: Floats, weight: Floats) -> Floats:
    """Return a matrix (nodes + 1, nodes) that shifts g.

    It takes g at the nodes s to g(s + μ), with the rate μ, and, in the last row, to g(μ).
    """
    return _interpolation(-np.log1p(arrival_rate / (np.append(s, 0.0) + rate)), v, weight)


@compiled(creates_arrays=True)
def add_slot(g: Floats, s: Floats, shift: Floats, shifted: Floats, rate: float, arrival_rate: float) -> float:
    """Add a slot to g, and return h(μ) before.

    `shifted` (nodes + 1,) is overwritten.
    """
    np.dot(shift, g, shifted)
    for node in range(s.size):
        g[node] = beyond_slot(arrival_rate, s[node], g[node], shifted[node], rate)
    return float(shifted[s.size] + rate)


@compiled(creates_arrays=True)
def _interpolation(points: Floats, nodes: Floats, weight: Floats) -> Floats:
    """Return the barycentric interpolation matrix (points, nodes).

    Row p holds the coefficients of the values at the nodes that give the value at point p.
    """
    matrix = np.empty((points.size, nodes.size))
    for point in range(points.size):
        # 1e-300 changes no distance but 0, and the coefficient of that node then outweighs all others.
        for node in range(nodes.size):
            matrix[point, node] = weight[node] / (points[point] - nodes[node] + 1e-300)
    scale = 1 / np.dot(matrix, np.ones(nodes.size))
    for point in range(points.size):
        for node in range(nodes.size):
            matrix[point, node] *= scale[point]
    return matrix
