"""The exact response time of JFFC for any number of chains.

While jobs wait, every slot is busy and jobs depart at rate ν. So the number of waiting jobs is geometric, on top of the
*loss system* with the same slots. In the loss system a job takes the first free slot in a fixed order, or is lost
(Palm): the overflow of slot k is the arrival process of slot k + 1. With h_k = λ (1/φ_k - 1), where φ_k is the Laplace
transform of the inter-arrival time of the overflow after k slots,

    h_0(s) = s,   h_k(s) = h_{k-1}(s) (λ + h_{k-1}(s + μ_k)) / (λ + h_{k-1}(s)),
    B_k = B_{k-1} λ / (λ + h_{k-1}(μ_k)):  the share of jobs that find the k fastest slots busy.

g_k(s) = h_k(s) - s is smooth and bounded. It is represented by its values at Chebyshev nodes in v = ln(s / (s + λ)).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.queueing.chains import RatedChains, rated_chains
from system import NotApplicableError
from system.checks import float_vector, is_finite_number, require, require_not_negative
from system.code.compiler import compiled

Floats = NDArray[np.float64]

NODE_COUNTS = (40, 80, 160, 320)
TOLERANCE = 1e-9  # relative, on the mean response time
# Rates that are closer than this, relatively, count as one rate: merging them changes no result by more than that.
SAME_RATE = 1e-13


class AccuracyError(NotApplicableError):
    """Error for a recursion that misses the tolerance with the largest number of nodes."""


@dataclass(frozen=True)
class ExactResponse:
    """Steady state of JFFC with Poisson arrivals and exponential sizes.

    There is one central first-in, first-out queue. Times are in seconds.
    """

    arrival_rate_per_s: float
    total_rate_per_s: float  # ν
    mean_response_s: float
    waiting_probability: float
    chain_shares: Floats  # (K,) share of all jobs served by each chain, in the order given
    relative_error: float  # of the mean, estimated from half as many nodes
    _rate_per_s: Floats = field(repr=False)  # (K,), in the order given
    _capacity: NDArray[np.int64] = field(repr=False)
    _immediate: Floats = field(repr=False)  # (K,) share of all jobs that start on the chain without waiting

    @property
    def mean_waiting_s(self) -> float:
        """Return the mean waiting time; jobs that wait do so for Exp(ν - λ)."""
        return self.waiting_probability / (self.total_rate_per_s - self.arrival_rate_per_s)

    @property
    def mean_service_s(self) -> float:
        """Return the mean service time."""
        return self.mean_response_s - self.mean_waiting_s

    @property
    def utilisation(self) -> Floats:
        """Return (K,) the mean share of a chain's slots that are busy."""
        return self.arrival_rate_per_s * self.chain_shares / (self._rate_per_s * self._capacity)

    def mean_first_token_s(self, first_token_s: ArrayLike) -> float:
        """Return the mean time from arrival to the first output token.

        `first_token_s` (K,) is the mean time on each chain from a job's start to that token.
        """
        return self.mean_waiting_s + float(self.chain_shares @ self._checked_per_chain(first_token_s))

    def tail(self, time_s: float) -> float:
        """Return P(response time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self._tail(time_s, self._rate_per_s)

    def percentile_s(self, q: float) -> float:
        """Return the response time that a share `q` of the jobs does not exceed."""
        return _quantile(self.tail, q, self.mean_response_s)

    def waiting_percentile_s(self, q: float) -> float:
        """Return the waiting time that a share `q` of the jobs does not exceed.

        Jobs that start at once have a waiting time of 0.
        """
        _require_share(q)
        if self.waiting_probability <= 1 - q:
            return 0.0
        return float(np.log(self.waiting_probability / (1 - q))) / (self.total_rate_per_s - self.arrival_rate_per_s)

    def waiting_tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self.waiting_probability * float(np.exp((self.arrival_rate_per_s - self.total_rate_per_s) * time_s))

    def service_percentile_s(self, q: float) -> float:
        """Return the service time that a share `q` of the jobs does not exceed."""
        return _quantile(self.service_tail, q, self.mean_service_s)

    def service_tail(self, time_s: float) -> float:
        """Return P(service time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return float(self.chain_shares @ np.exp(-self._rate_per_s * time_s))

    def first_token_percentile_s(self, q: float, first_token_s: ArrayLike) -> float:
        """Return the time to the first token that a share `q` does not exceed.

        `first_token_s` (K,) is as in `mean_first_token_s`.
        """
        mean_s = self.mean_first_token_s(first_token_s)
        rate_per_s = 1 / self._checked_per_chain(first_token_s)
        return _quantile(lambda time_s: self._tail(time_s, rate_per_s), q, mean_s)

    def first_token_tail(self, time_s: float, first_token_s: ArrayLike) -> float:
        """Return P(time to the first token > `time_s`).

        `first_token_s` (K,) is as in `mean_first_token_s`.
        """
        require_not_negative(time_s=time_s)
        return self._tail(time_s, 1 / self._checked_per_chain(first_token_s))

    def _checked_per_chain(self, first_token_s: ArrayLike) -> Floats:
        times_s = float_vector("first_token_s", first_token_s, np.finfo(float).tiny)
        chains, size = self.chain_shares.size, f"array of size {times_s.size}"
        require(times_s.size == chains, "first_token_s", size, f"give {chains}, one per chain")
        return times_s

    @cached_property
    def _after_waiting(self) -> Floats:
        """Return (K,) the share of jobs that wait and then run on each chain."""
        return self.waiting_probability * self._rate_per_s * self._capacity / self.total_rate_per_s

    def _tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Return P(wait + stage > t).

        The stage after the wait is exponential with the chain's entry of `stage_rate_per_s` (K,).
        """
        waiting_rate = self.total_rate_per_s - self.arrival_rate_per_s
        immediate = self._immediate @ np.exp(-stage_rate_per_s * time_s)
        return float(immediate + self._after_waiting @ _two_stage_tail(time_s, waiting_rate, stage_rate_per_s))


def exact(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> ExactResponse:
    """Compute the exact steady state of JFFC.

    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order. Raises `UnstableError` unless
    λ < ν, and `AccuracyError` if the mean does not settle to a relative error of 1e-9.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    first = np.flatnonzero(np.concatenate([[True], np.diff(chains.rate_per_s) < -SAME_RATE * chains.rate_per_s[:-1]]))
    merged_rate, merged_capacity = chains.rate_per_s[first], np.add.reduceat(chains.capacity, first)
    previous_s = np.nan
    for nodes in NODE_COUNTS:
        blocked, immediate = _loss_system(chains.arrival_rate_per_s, merged_rate, merged_capacity, nodes)
        mean_s = _mean_response_s(chains, merged_rate, blocked, immediate)
        error = abs(mean_s / previous_s - 1)
        if error <= TOLERANCE:
            group = np.repeat(np.arange(first.size), np.diff(np.append(first, chains.rate_per_s.size)))
            return _response(chains, mean_s, blocked, (immediate / merged_capacity)[group] * chains.capacity, error)
        previous_s = mean_s
    raise AccuracyError(
        f"exact response time: {NODE_COUNTS[-1]} nodes leave a relative error of {error:.1e} (allowed {TOLERANCE:g}); "
        "simulate this system instead"
    )


def _mean_response_s(chains: RatedChains, rate: Floats, blocked: float, immediate: Floats) -> float:
    """Return the mean response time E[N]/λ from results of the loss system.

    These are its blocking probability and the share of jobs that start immediately at each rate.
    """
    load = chains.arrival_rate_per_s / chains.total_rate_per_s
    slots = int(chains.capacity.sum())
    busy_in_loss = float(np.sum(chains.arrival_rate_per_s * immediate / rate))
    jobs = busy_in_loss + blocked * (slots * load / (1 - load) + load / (1 - load) ** 2)
    return jobs / _normaliser(blocked, load) / chains.arrival_rate_per_s


def _normaliser(blocked: float, load: float) -> float:
    """Return Z, the weight of all states if those without a queue weigh 1."""
    return 1 + blocked * load / (1 - load)


def _response(
    chains: RatedChains, mean_s: float, blocked: float, immediate_in_loss: Floats, error: float
) -> ExactResponse:
    """Return the result with the chains in the order of the input."""
    total = chains.total_rate_per_s
    load = chains.arrival_rate_per_s / total
    normaliser = _normaliser(blocked, load)
    waiting_probability = blocked / (1 - load) / normaliser
    back = np.argsort(chains.input_index)  # restores the order of the input
    immediate, rate, capacity = immediate_in_loss[back] / normaliser, chains.rate_per_s[back], chains.capacity[back]
    shares = immediate + waiting_probability * rate * capacity / total
    return ExactResponse(
        chains.arrival_rate_per_s, total, mean_s, waiting_probability, shares, error, rate, capacity, immediate
    )


@compiled(creates_arrays=True)
def _loss_system(arrival_rate: float, rate: Floats, capacity: NDArray[np.int64], nodes: int) -> tuple[float, Floats]:
    """Return the blocking probability B and the share of arrivals served at each rate.

    The rates are distinct and descend.
    """
    half = np.log1p(arrival_rate / rate[-1]) / 2  # v runs from -2 half, at the smallest rate, to 0
    angle = (2 * np.arange(nodes) + 1) * np.pi / (2 * nodes)
    v = half * (np.cos(angle) - 1)
    weight = np.sin(angle)
    weight[1::2] *= -1
    s = arrival_rate / np.expm1(-v)
    g = np.zeros(nodes)
    shifted = np.empty(nodes + 1)
    taken = np.zeros(rate.size)
    blocked = 1.0
    for level in range(rate.size):
        points = np.append(s, 0.0) + rate[level]
        shift = _interpolation(-np.log1p(arrival_rate / points), v, weight)
        for _ in range(capacity[level]):
            np.dot(shift, g, shifted)
            h = shifted[nodes] + rate[level]
            taken[level] += blocked * h / (arrival_rate + h)
            blocked *= arrival_rate / (arrival_rate + h)
            for node in range(nodes):
                h = g[node] + s[node]
                g[node] += h * (shifted[node] - g[node] + rate[level]) / (arrival_rate + h)
            if blocked < 1e-290:  # no job reaches the slots beyond
                return 0.0, taken
    return blocked, taken


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


def _two_stage_tail(time_s: float, first_rate: float, second_rate: Floats) -> Floats:
    """Return P(Exp(first) + Exp(second) > t), also for nearly or exactly equal rates."""
    slow, fast = np.minimum(first_rate, second_rate), np.maximum(first_rate, second_rate)
    gap = fast - slow
    delay = np.where(gap > 0, -np.expm1(-gap * time_s) / np.where(gap > 0, gap, 1.0), time_s)
    return np.exp(-slow * time_s) * (1 + slow * delay)


def _require_share(q: float) -> None:
    require(is_finite_number(q) and 0 < q < 1, "q", q, "must lie between 0 and 1; the 95th percentile is q = 0.95")


def _quantile(tail: Callable[[float], float], q: float, mean_s: float) -> float:
    """Return the time t with tail(t) = 1 - q.

    It is below mean / (1 - q) by Markov's inequality.
    """
    from scipy.optimize import brentq  # loading it takes longer than computing a mean, which does not need it

    _require_share(q)
    return float(brentq(lambda time_s: tail(time_s) - (1 - q), 0.0, mean_s / (1 - q), xtol=1e-12 * mean_s, rtol=1e-14))
