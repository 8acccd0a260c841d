"""Theorem 4: bounds on the mean response time of JFFC from two birth-death processes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.queueing.chains import RatedChains, rated_chains
from system import NotApplicableError
from system.code.compiler import compiled
from system.limits import SUMMED_SLOTS

# Jobs that find a slot busy with less than this probability change no result.
NEGLIGIBLE = 1e-290


class ResponseBounds(NamedTuple):
    """Bounds on the mean response time (s)."""

    lower_s: float
    upper_s: float


def theorem4(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> ResponseBounds:
    """Return the lower and the upper bound on the mean response time.

    With n jobs present, the n fastest slots of all are busy in the lower bound, and the n slowest in the upper one.
    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order. Raises `UnstableError` unless
    λ < ν, and `NotApplicableError` if jobs reach too many slots to add them up.
    """
    return response_bounds(rated_chains(arrival_rate, service_rates, capacities))


def response_bounds(chains: RatedChains) -> ResponseBounds:
    """Return the bounds of `theorem4`."""
    lower_s = _birth_death_response_s(chains, chains.rate_per_s, chains.capacity)
    upper_s = _birth_death_response_s(chains, chains.rate_per_s[::-1].copy(), chains.capacity[::-1].copy())
    return ResponseBounds(min(lower_s, upper_s), upper_s)  # where they are equal, they may differ by rounding errors


def _birth_death_response_s(chains: RatedChains, rate: NDArray[np.float64], capacity: NDArray[np.int64]) -> float:
    """Return the mean response time E[N]/λ of a birth-death process.

    With n jobs, the first n slots are busy, in the order of `rate` and `capacity`. Beyond them there is a queue, which
    is added as in `exact`.
    """
    blocked, jobs = _without_queue(chains.arrival_rate_per_s, rate, capacity, SUMMED_SLOTS)
    if np.isnan(blocked):
        raise NotApplicableError(
            f"theorem 4: jobs reach more than {SUMMED_SLOTS:,} of {capacity.sum():,} slots, too many to add up; "
            "lower the rate or the capacities"
        )
    waiting = blocked * chains.mean_excursion
    slots = float(capacity.sum())
    return (jobs + waiting * (slots + 1 + chains.mean_excursion)) / (1 + waiting) / chains.arrival_rate_per_s


@compiled
def _without_queue(
    arrival_rate: float, rate: NDArray[np.float64], capacity: NDArray[np.int64], most_slots: int
) -> tuple[float, float]:
    """Return the probability that all slots are busy, and the mean number of jobs.

    The process has no queue. Slots are added one by one; no term is negative, so nothing cancels. NaN if more than
    `most_slots` would be added.
    """
    blocked, jobs, served_per_s, slots = 1.0, 0.0, 0.0, 0
    for k in range(rate.size):
        for n in range(1, capacity[k] + 1):
            slots += 1
            if slots > most_slots:
                return np.nan, np.nan
            blocked /= blocked + (served_per_s + n * rate[k]) / arrival_rate
            jobs += blocked * (slots - jobs)
            if blocked < NEGLIGIBLE:
                return 0.0, jobs
        served_per_s += capacity[k] * rate[k]
    return blocked, jobs
