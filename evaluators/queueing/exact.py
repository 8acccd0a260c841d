"""The exact response time of JFFC and of thresholds, for any number of chains.

While more jobs wait than the last threshold, every slot is busy and jobs depart at rate ν. So the number of further
jobs is geometric, on top of a loss system. For JFFC it has the same slots, of which a job takes the first free one in a
fixed order (`loss_system`); for thresholds it has waiting places, too (`threshold_system`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.queueing.chains import RatedChains, rated_chains
from evaluators.queueing.exact_response import ExactResponse, ExponentialWaits, Waits
from evaluators.queueing.loss_system import loss_system
from evaluators.queueing.theorem4 import ResponseBounds, response_bounds
from evaluators.queueing.thresholds.loss_system import FULL, QUEUE, WAITS, threshold_system
from evaluators.queueing.thresholds.waits import ThresholdWaits
from system.checks import require, whole_vector
from system.errors import AccuracyError
from system.limits import EXACT_NODES, EXACT_SLOTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NODE_COUNTS = (40, 80, 160, 320)
TOLERANCE = 1e-9  # relative, on the mean response time
USE_TOLERANCE = 1e-6  # on the utilisation of each chain
# Rates that are closer than this, relatively, count as one rate: merging them changes no result by more than that.
SAME_RATE = 1e-13
# Arrivals in the time of one job, beyond which rounding errors of the recursion outweigh `USE_TOLERANCE`.
MOST_ARRIVALS = 1e12


def exact(
    arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike, thresholds: ArrayLike | None = None
) -> ExactResponse:
    """Compute the exact steady state of JFFC, or of thresholds.

    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order; of chains with equal rates, jobs
    take the first. A chain is used only while more jobs wait than its entry of `thresholds` (K,); 0 for all is JFFC.
    Raises `InputError` unless the thresholds ascend from 0 as the rates descend, `UnstableError` unless λ < ν, and
    `AccuracyError` if the mean does not settle to a relative error of 1e-9, if that would take too long, or if jobs
    reach a chain too slow for the precision of numbers.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    ascending = np.zeros(chains.capacity.size, np.int64) if thresholds is None else _ascending(chains, thresholds)
    rate = _with_ties(chains.rate_per_s)
    if not ascending.any():
        jobs, error = _settled(lambda nodes: _jobs(chains, *_without_queue(chains, rate, nodes)))
        return _response(chains, jobs, error, _exponential(chains, jobs), response_bounds(chains))
    jobs, error = _settled(lambda nodes: _threshold_jobs(chains, rate, ascending, nodes))
    least = response_bounds(chains)._replace(upper_s=np.inf)  # the upper bound is for policies that keep no slot free
    return _response(chains, jobs, error, ThresholdWaits(jobs.waiting, jobs.waiting_s, chains, ascending), least)


def _ascending(chains: RatedChains, thresholds: ArrayLike) -> Ints:
    """Return checked thresholds (K,), fastest chain first."""
    given = whole_vector("thresholds", thresholds)
    size = f"array of size {given.size}"
    require(given.size == chains.capacity.size, "thresholds", size, f"give {chains.capacity.size}, one per chain")
    ordered = given[chains.input_index]
    require(ordered[0] == 0, "thresholds", given.tolist(), "must be 0 for the fastest chain, or some jobs never start")
    ascends = bool((np.diff(ordered) >= 0).all())
    require(ascends, "thresholds", given.tolist(), "must not be smaller for a slower chain than for a faster one")
    return ordered


def _settled(jobs_with: "Callable[[int], _Jobs]") -> "tuple[_Jobs, float]":
    """Return the result of enough nodes, and its relative error.

    Raises `AccuracyError` if the result does not settle.
    """
    coarse = None
    for nodes in NODE_COUNTS:
        jobs = jobs_with(nodes)
        error, use_error = jobs.changes(coarse)
        if error <= TOLERANCE and use_error <= USE_TOLERANCE:
            return jobs, error
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
    most_slots = _most_jobs(nodes)
    blocked, taken = loss_system(chains.arrival_rate_per_s, rate, chains.capacity, nodes, most_slots)
    if np.isnan(blocked):
        raise AccuracyError(
            f"exact response time: jobs reach more than {most_slots:,} of {chains.capacity.sum():,} slots, too many "
            f"for {nodes} nodes; simulate this system instead"
        )
    _require_precise(chains.arrival_rate_per_s / rate[taken > 0].min())
    return blocked, taken


def _threshold_jobs(chains: RatedChains, rate: Floats, thresholds: Ints, nodes: int) -> "_Jobs":
    """Return shares of jobs under thresholds.

    Raises `AccuracyError` if that takes too long.
    """
    arrival_rate, excursion = chains.arrival_rate_per_s, chains.mean_excursion
    means, busy, at_once = threshold_system(
        arrival_rate, rate, chains.capacity, thresholds, nodes, most := _most_jobs(nodes)
    )
    if np.isnan(means[FULL]):
        raise AccuracyError(
            f"exact response time: slots and waiting room hold more than {most:,} jobs, too many for {nodes} nodes; "
            "lower the thresholds or simulate this system instead"
        )
    _require_precise(arrival_rate / rate[busy > 0].min())
    beyond = means[FULL] * excursion  # the weight of all states beyond the loss system, whose states weigh 1
    normaliser = 1 + beyond
    queue = (means[QUEUE] + beyond * (thresholds[-1] + 1 + excursion)) / normaliser
    busy = (busy + beyond * chains.capacity) / normaliser
    served = busy * chains.rate_per_s / arrival_rate
    waiting_s = queue / arrival_rate
    mean_s = float((served / chains.rate_per_s).sum()) + waiting_s
    waits = (means[WAITS] + beyond) / normaliser
    return _Jobs(mean_s, waits, waiting_s, at_once / normaliser, served, busy / chains.capacity)


def _most_jobs(nodes: int) -> int:
    """Return the jobs that a system may hold at most."""
    return EXACT_SLOTS * EXACT_NODES**2 // max(nodes, EXACT_NODES) ** 2


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
    waiting_s: float  # mean over all jobs
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
    waiting_s = waiting / chains.spare_rate_per_s
    mean_s = float((served / chains.rate_per_s).sum()) + waiting_s
    return _Jobs(mean_s, waiting, waiting_s, immediate, served, chains.arrival_rate_per_s * served / slot_rate_per_s)


def _exponential(chains: RatedChains, jobs: _Jobs) -> ExponentialWaits:
    """Return the waits of JFFC, in the input's order."""
    by_chain = jobs.waiting * chains.rate_per_s * chains.capacity / chains.total_rate_per_s
    return ExponentialWaits(jobs.waiting, chains.spare_rate_per_s, by_chain[np.argsort(chains.input_index)])


def _response(chains: RatedChains, jobs: _Jobs, error: float, waits: Waits, bounds: ResponseBounds) -> ExactResponse:
    """Return the result in the input's order."""
    back = np.argsort(chains.input_index)  # restores the order of the input
    return ExactResponse(
        chains.arrival_rate_per_s,
        chains.total_rate_per_s,
        chains.spare_rate_per_s,
        _within_bounds(jobs.mean_s, bounds),
        jobs.waiting,
        jobs.served[back],
        error,
        chains.rate_per_s[back],
        chains.capacity[back],
        jobs.immediate[back],
        waits,
    )


def _within_bounds(mean_s: float, bounds: ResponseBounds) -> float:
    """Return a mean without rounding errors beyond its bounds.

    Raises `AccuracyError` if it is farther outside.
    """
    nearest_s = min(max(mean_s, bounds.lower_s), bounds.upper_s)
    if abs(nearest_s / mean_s - 1) > TOLERANCE:
        raise AccuracyError(
            f"exact response time: {mean_s:g} s is outside Theorem 4's bounds, {bounds.lower_s:g} to "
            f"{bounds.upper_s:g} s; simulate this system instead"
        )
    return nearest_s
