"""The exact response time of JFFC for any number of chains.

While jobs wait, every slot is busy and jobs depart at rate ν. So the number of waiting jobs is geometric, on top of the
loss system with the same slots (`loss_system`), in which JFFC takes the first free slot in a fixed order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.queueing.chains import RatedChains, rated_chains
from evaluators.queueing.loss_system import loss_system
from evaluators.queueing.theorem4 import ResponseBounds, response_bounds
from system.checks import float_vector, is_finite_number, require, require_not_negative
from system.errors import AccuracyError
from system.limits import EXACT_NODES, EXACT_SLOTS, SMALLEST

Floats = NDArray[np.float64]

NODE_COUNTS = (40, 80, 160, 320)
TOLERANCE = 1e-9  # relative, on the mean response time
USE_TOLERANCE = 1e-6  # on the utilisation of each chain
# Rates that are closer than this, relatively, count as one rate: merging them changes no result by more than that.
SAME_RATE = 1e-13
# Arrivals in the time of one job, beyond which rounding errors of the recursion outweigh `USE_TOLERANCE`.
MOST_ARRIVALS = 1e12


@dataclass(frozen=True)
class ExactResponse:
    """Steady state of JFFC with Poisson arrivals and exponential sizes.

    There is one central first-in, first-out queue. Times are in seconds.
    """

    arrival_rate_per_s: float
    total_rate_per_s: float  # ν
    spare_rate_per_s: float  # ν - λ
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
        return self.waiting_probability / self.spare_rate_per_s

    @property
    def mean_service_s(self) -> float:
        """Return the mean service time."""
        return float(self.chain_shares @ (1 / self._rate_per_s))

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
        return float(np.log(self.waiting_probability / (1 - q))) / self.spare_rate_per_s

    def waiting_tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self.waiting_probability * float(np.exp(-self.spare_rate_per_s * time_s))

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
        times_s = float_vector("first_token_s", first_token_s, SMALLEST)
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
        immediate = self._immediate @ np.exp(-stage_rate_per_s * time_s)
        return float(immediate + self._after_waiting @ _two_stage_tail(time_s, self.spare_rate_per_s, stage_rate_per_s))


def exact(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> ExactResponse:
    """Compute the exact steady state of JFFC.

    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order; of chains with equal rates, JFFC
    takes the first. Raises `UnstableError` unless λ < ν, and `AccuracyError` if the mean does not settle to a relative
    error of 1e-9, if that would take too long, or if jobs reach a chain too slow for the precision of numbers.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    rate = _with_ties(chains.rate_per_s)
    coarse = None
    for nodes in NODE_COUNTS:
        jobs = _jobs(chains, *_without_queue(chains, rate, nodes))
        error, use_error = jobs.changes(coarse)
        if error <= TOLERANCE and use_error <= USE_TOLERANCE:
            return _response(chains, jobs, error)
        coarse = jobs
    raise AccuracyError(
        f"exact response time: {NODE_COUNTS[-1]} nodes leave a relative error of {error:.1e} (allowed {TOLERANCE:g}) "
        f"and one of {use_error:.1e} in the use of a chain (allowed {USE_TOLERANCE:g}); simulate this system instead"
    )


def _with_ties(rate: Floats) -> Floats:
    """Return descending rates; those that count as one rate are equal."""
    first = np.concatenate([[True], rate[1:] < rate[:-1] * (1 - SAME_RATE)])
    return rate[first][np.cumsum(first) - 1]


def _without_queue(chains: RatedChains, rate: Floats, nodes: int) -> tuple[float, Floats]:
    """Return the shares of arrivals that the loss system loses and serves.

    Raises `AccuracyError` if that takes too long.
    """
    most_slots = EXACT_SLOTS * EXACT_NODES**2 // max(nodes, EXACT_NODES) ** 2
    blocked, taken = loss_system(chains.arrival_rate_per_s, rate, chains.capacity, nodes, most_slots)
    if np.isnan(blocked):
        raise AccuracyError(
            f"exact response time: jobs reach more than {most_slots:,} of {chains.capacity.sum():,} slots, too many "
            f"for {nodes} nodes; simulate this system instead"
        )
    _require_precise(chains.arrival_rate_per_s / rate[taken > 0].min())
    return blocked, taken


def _require_precise(arrivals: float) -> None:
    """Raise `AccuracyError` above `MOST_ARRIVALS` in the slowest job's time."""
    if arrivals > MOST_ARRIVALS:
        raise AccuracyError(
            f"exact response time: {arrivals:.1e} jobs arrive in the time of one on the slowest chain that they reach, "
            f"and it is precise up to {MOST_ARRIVALS:.0e}; simulate this system instead"
        )


class _Jobs(NamedTuple):
    """The mean response time, shares of jobs by when and where they start, and how busy the chains are.

    Arrays are (K,), fastest first.
    """

    mean_s: float
    waiting: float
    immediate: Floats
    served: Floats  # after waiting or not
    utilisation: Floats

    def changes(self, coarse: "_Jobs | None") -> tuple[float, float]:
        """Return the changes of the mean, relatively, and of utilisations from a coarser result."""
        if coarse is None:
            return np.inf, np.inf
        return abs(self.mean_s / coarse.mean_s - 1), float(np.abs(self.utilisation - coarse.utilisation).max())


def _jobs(chains: RatedChains, blocked: float, taken: Floats) -> _Jobs:
    """Return shares of jobs in the queue from those in the loss system."""
    normaliser = 1 + blocked * chains.mean_excursion  # Z, the weight of all states if those without a queue weigh 1
    waiting = blocked * (1 + chains.mean_excursion) / normaliser
    immediate, slot_rate_per_s = taken / normaliser, chains.rate_per_s * chains.capacity
    served = immediate + slot_rate_per_s * (waiting / chains.total_rate_per_s)
    mean_s = float((served / chains.rate_per_s).sum()) + waiting / chains.spare_rate_per_s
    return _Jobs(mean_s, waiting, immediate, served, chains.arrival_rate_per_s * served / slot_rate_per_s)


def _response(chains: RatedChains, jobs: _Jobs, error: float) -> ExactResponse:
    """Return the result with the chains in the order of the input."""
    back = np.argsort(chains.input_index)  # restores the order of the input
    return ExactResponse(
        chains.arrival_rate_per_s,
        chains.total_rate_per_s,
        chains.spare_rate_per_s,
        _within_bounds(jobs.mean_s, response_bounds(chains)),
        jobs.waiting,
        jobs.served[back],
        error,
        chains.rate_per_s[back],
        chains.capacity[back],
        jobs.immediate[back],
    )


def _within_bounds(mean_s: float, bounds: ResponseBounds) -> float:
    """Return a mean that rounding errors do not carry out of Theorem 4's bounds.

    Raises `AccuracyError` if it is farther outside.
    """
    nearest_s = min(max(mean_s, bounds.lower_s), bounds.upper_s)
    if abs(nearest_s / mean_s - 1) > TOLERANCE:
        raise AccuracyError(
            f"exact response time: {mean_s:g} s is outside Theorem 4's bounds, {bounds.lower_s:g} to "
            f"{bounds.upper_s:g} s; simulate this system instead"
        )
    return nearest_s


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
    if tail(0.0) <= 1 - q:  # q is below rounding errors
        return 0.0
    return float(brentq(lambda time_s: tail(time_s) - (1 - q), 0.0, mean_s / (1 - q), xtol=1e-12 * mean_s, rtol=1e-14))
