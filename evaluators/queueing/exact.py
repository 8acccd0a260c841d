"""The exact response time of JFFC for any number of chains: mean, waiting, shares and percentiles.

While jobs wait, every slot is busy and departures come at rate ν. So the queue is geometric on top of the *loss system*
with the same slots, and the loss system is a row of exponential servers hunted in order (Palm): the overflow of slot
k is the arrival process of slot k + 1. With h_k = λ (1/φ_k - 1), φ_k the Laplace transform of the overflow's
inter-arrival time after k slots,

    h_0(s) = s,   h_k(s) = h_{k-1}(s) (λ + h_{k-1}(s + μ_k)) / (λ + h_{k-1}(s)),
    B_k = B_{k-1} λ / (λ + h_{k-1}(μ_k)):  the share of jobs that find the k fastest slots busy.

g_k(s) = h_k(s) - s is smooth and bounded; it is carried on Chebyshev nodes in v = ln(s / (s + λ)).
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
# Rates closer than this are one rate: their difference moves no result by more than itself.
SAME_RATE = 1e-13


class AccuracyError(NotApplicableError):
    """The recursion did not settle to the tolerance with the largest number of nodes."""


@dataclass(frozen=True)
class ExactResponse:
    """Steady state of JFFC with Poisson arrivals, exponential sizes and one central FIFO queue. Times in seconds."""

    arrival_rate_per_s: float
    total_rate_per_s: float  # ν
    mean_response_s: float
    waiting_probability: float
    chain_shares: Floats  # (K,) share of all jobs served by each chain, in the order given
    relative_error: float  # of the mean: how far half as many nodes were from it
    _rate_per_s: Floats = field(repr=False)  # (K,), in the order given
    _capacity: NDArray[np.int64] = field(repr=False)
    _at_once: Floats = field(repr=False)  # (K,) share of all jobs that start on the chain without waiting

    @property
    def mean_waiting_s(self) -> float:
        """Waiting jobs wait Exp(ν - λ)."""
        return self.waiting_probability / (self.total_rate_per_s - self.arrival_rate_per_s)

    @property
    def mean_service_s(self) -> float:
        return self.mean_response_s - self.mean_waiting_s

    @property
    def utilisation(self) -> Floats:
        """(K,) mean share of a chain's slots that are busy."""
        return self.arrival_rate_per_s * self.chain_shares / (self._rate_per_s * self._capacity)

    def mean_first_token_s(self, first_token_s: ArrayLike) -> float:
        """Mean time from arrival to the first output token; `first_token_s` (K,): its mean on a chain once started."""
        return self.mean_waiting_s + float(self.chain_shares @ self._one_a_chain(first_token_s))

    def tail(self, time_s: float) -> float:
        """P(response time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self._tail(time_s, self._rate_per_s)

    def percentile_s(self, q: float) -> float:
        """The time that a share `q` of the jobs does not exceed, e.g. q = 0.95."""
        return _quantile(self.tail, q, self.mean_response_s)

    def waiting_percentile_s(self, q: float) -> float:
        """The waiting time that a share `q` of the jobs does not exceed: 0 for those that start at once."""
        _require_share(q)
        if self.waiting_probability <= 1 - q:
            return 0.0
        return float(np.log(self.waiting_probability / (1 - q))) / (self.total_rate_per_s - self.arrival_rate_per_s)

    def waiting_tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self.waiting_probability * float(np.exp((self.arrival_rate_per_s - self.total_rate_per_s) * time_s))

    def service_percentile_s(self, q: float) -> float:
        """The service time that a share `q` of the jobs does not exceed."""
        return _quantile(
            lambda time_s: float(self.chain_shares @ np.exp(-self._rate_per_s * time_s)), q, self.mean_service_s
        )

    def first_token_percentile_s(self, q: float, first_token_s: ArrayLike) -> float:
        """As `percentile_s`, for the time to the first token; `first_token_s` as in `mean_first_token_s`."""
        rate = 1 / self._one_a_chain(first_token_s)
        return _quantile(lambda time_s: self._tail(time_s, rate), q, self.mean_first_token_s(first_token_s))

    def _one_a_chain(self, first_token_s: ArrayLike) -> Floats:
        times_s = float_vector("first_token_s", first_token_s, np.finfo(float).tiny)
        chains = self.chain_shares.size
        require(times_s.size == chains, "first_token_s", f"{times_s.size} times", f"give {chains}, one a chain")
        return times_s

    @cached_property
    def _after_waiting(self) -> Floats:
        """(K,) share of all jobs that wait and are then served by each chain."""
        return self.waiting_probability * self._rate_per_s * self._capacity / self.total_rate_per_s

    def _tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """P(wait + stage > t) where the stage after the wait is exponential with the chain's rate."""
        waiting_rate = self.total_rate_per_s - self.arrival_rate_per_s
        at_once = self._at_once @ np.exp(-stage_rate_per_s * time_s)
        return float(at_once + self._after_waiting @ _two_stage_tail(time_s, waiting_rate, stage_rate_per_s))


def exact(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> ExactResponse:
    """The exact steady state of JFFC on chains of `service_rates` (K,) 1/s and `capacities` (K,), in any order.

    Raises `UnstableError` unless λ < ν, and `AccuracyError` if the numerics do not settle to 1e-9.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    first = np.flatnonzero(np.concatenate([[True], np.diff(chains.rate_per_s) < -SAME_RATE * chains.rate_per_s[:-1]]))
    merged_rate, merged_capacity = chains.rate_per_s[first], np.add.reduceat(chains.capacity, first)
    previous_s = np.nan
    for nodes in NODE_COUNTS:
        blocked, at_once = _loss_system(chains.arrival_rate_per_s, merged_rate, merged_capacity, nodes)
        mean_s = _mean_response_s(chains, merged_rate, blocked, at_once)
        error = abs(mean_s / previous_s - 1)
        if error <= TOLERANCE:
            group = np.repeat(np.arange(first.size), np.diff(np.append(first, chains.rate_per_s.size)))
            return _response(chains, mean_s, blocked, (at_once / merged_capacity)[group] * chains.capacity, error)
        previous_s = mean_s
    raise AccuracyError(
        f"exact response time: {NODE_COUNTS[-1]} nodes leave a relative error of {error:.1e} (allowed {TOLERANCE:g}); "
        "simulate this system instead"
    )


def _mean_response_s(chains: RatedChains, rate: Floats, blocked: float, at_once: Floats) -> float:
    """E[N]/λ from the loss system: blocking probability, and the share of jobs that each rate takes at once."""
    load = chains.arrival_rate_per_s / chains.total_rate_per_s
    slots = int(chains.capacity.sum())
    busy_in_loss = float(np.sum(chains.arrival_rate_per_s * at_once / rate))
    jobs = busy_in_loss + blocked * (slots * load / (1 - load) + load / (1 - load) ** 2)
    return jobs / _normaliser(blocked, load) / chains.arrival_rate_per_s


def _normaliser(blocked: float, load: float) -> float:
    """Z: the weight of all states when the states without a queue weigh 1."""
    return 1 + blocked * load / (1 - load)


def _response(
    chains: RatedChains, mean_s: float, blocked: float, at_once_in_loss: Floats, error: float
) -> ExactResponse:
    """The result in the order in which the chains were given."""
    total = chains.total_rate_per_s
    load = chains.arrival_rate_per_s / total
    normaliser = _normaliser(blocked, load)
    waiting_probability = blocked / (1 - load) / normaliser
    back = np.argsort(chains.given)  # to the order given
    at_once, rate, capacity = at_once_in_loss[back] / normaliser, chains.rate_per_s[back], chains.capacity[back]
    shares = at_once + waiting_probability * rate * capacity / total
    return ExactResponse(
        chains.arrival_rate_per_s, total, mean_s, waiting_probability, shares, error, rate, capacity, at_once
    )


@compiled(creates_arrays=True)
def _loss_system(arrival_rate: float, rate: Floats, capacity: NDArray[np.int64], nodes: int) -> tuple[float, Floats]:
    """Blocking probability B, and the share of arrivals that each distinct rate (descending) takes."""
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
            if blocked < 1e-290:  # no job gets here
                return 0.0, taken
    return blocked, taken


@compiled(creates_arrays=True)
def _interpolation(at: Floats, nodes: Floats, weight: Floats) -> Floats:
    """(points, nodes) barycentric matrix: row p holds the coefficients of the values at the nodes for point p."""
    matrix = np.empty((at.size, nodes.size))
    for point in range(at.size):
        for node in range(nodes.size):  # 1e-300 changes no distance but 0, which then outweighs all others
            matrix[point, node] = weight[node] / (at[point] - nodes[node] + 1e-300)
    scale = 1 / np.dot(matrix, np.ones(nodes.size))
    for point in range(at.size):
        for node in range(nodes.size):
            matrix[point, node] *= scale[point]
    return matrix


def _two_stage_tail(time_s: float, first_rate: float, second_rate: Floats) -> Floats:
    """P(Exp(first) + Exp(second) > t), also where the two rates are nearly or quite equal."""
    slow, fast = np.minimum(first_rate, second_rate), np.maximum(first_rate, second_rate)
    gap = fast - slow
    delay = np.where(gap > 0, -np.expm1(-gap * time_s) / np.where(gap > 0, gap, 1.0), time_s)
    return np.exp(-slow * time_s) * (1 + slow * delay)


def _require_share(q: float) -> None:
    require(is_finite_number(q) and 0 < q < 1, "q", q, "must lie between 0 and 1; the 95th percentile is q = 0.95")


def _quantile(tail: Callable[[float], float], q: float, mean_s: float) -> float:
    """The t with tail(t) = 1 - q; Markov's inequality puts it below mean / (1 - q)."""
    from scipy.optimize import brentq  # takes longer to load than the mean, which needs no such thing, takes to compute

    _require_share(q)
    return float(brentq(lambda time_s: tail(time_s) - (1 - q), 0.0, mean_s / (1 - q), xtol=1e-12 * mean_s, rtol=1e-14))
