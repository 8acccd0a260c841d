"""The thresholds with the least mean response time."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.queueing.chains import rated_chains
from evaluators.queueing.thresholds.loss_system import FULL, QUEUE, threshold_system
from system import Composition, UnstableError
from system.code.compiler import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NODES = 40
MOST_JOBS = 1_000_000  # that the slots and the waiting room hold
GAIN = 1e-12  # relative gain in the mean below which a change is not one


def best_thresholds(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> Ints:
    """Return the (K,) thresholds with the least mean response time.

    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order; thresholds ascend from 0 as the
    rates descend. Coordinate descent on the exact mean finds them. Raises `InputError` for invalid numbers and
    `UnstableError` unless λ < ν.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    best = np.empty(chains.rate_per_s.size, np.int64)
    best[chains.input_index] = _descend(
        chains.arrival_rate_per_s, chains.rate_per_s, chains.capacity, chains.mean_excursion
    )
    return best


def thresholds_of(chains: Composition) -> Ints:
    """Return a composition's best thresholds (K,) at its rate.

    They are 0, as in JFFC, if the chains do not carry the rate: then more jobs than any threshold wait in the end.
    """
    try:
        rates, capacities = tuple(chains.service_rate_per_s.tolist()), tuple(chains.capacity.tolist())
        return np.array(_known_best(chains.system.arrival_rate_per_s, rates, capacities))
    except UnstableError:
        return np.zeros(len(chains), np.int64)


@lru_cache(maxsize=64)  # each replication of a simulation needs the thresholds of the same chains
def _known_best(arrival_rate: float, rates: tuple[float, ...], capacities: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(best_thresholds(arrival_rate, rates, capacities).tolist())


@compiled(creates_arrays=True)
def _descend(arrival_rate: float, rate: Floats, capacity: Ints, excursion: float) -> Ints:
    """Return the best thresholds for descending rates.

    Each threshold in turn, slowest chain first, moves by steps that double as long as the mean falls. It takes others
    along where they would no longer ascend.
    """
    thresholds = np.zeros(rate.size, np.int64)
    best = mean_jobs(arrival_rate, rate, capacity, thresholds, excursion)
    moved = True
    while moved:
        moved = False
        for k in range(rate.size - 1, 0, -1):
            for direction in (1, -1):
                step = direction
                while step != 0:
                    trial = _moved(thresholds, k, step)
                    jobs = mean_jobs(arrival_rate, rate, capacity, trial, excursion)
                    if jobs < best * (1 - GAIN):
                        thresholds, best, moved, step = trial, jobs, True, 2 * step
                    else:  # try a single step once more before the other direction
                        step = 0 if step == direction else direction
    return thresholds


@compiled(creates_arrays=True)
def _moved(thresholds: Ints, k: int, step: int) -> Ints:
    """Return ascending thresholds after a step of chain k."""
    value = min(max(thresholds[k] + step, 0), MOST_JOBS)
    trial = thresholds.copy()
    for j in range(thresholds.size):
        trial[j] = min(trial[j], value) if j < k else max(trial[j], value)
    trial[k] = value
    return trial


@compiled(creates_arrays=True)
def mean_jobs(arrival_rate: float, rate: Floats, capacity: Ints, thresholds: Ints, excursion: float) -> float:
    """Return the mean number of jobs in the system.

    It is infinite if the system may hold too many. `excursion` is ρ/(1-ρ).
    """
    means, busy, _ = threshold_system(arrival_rate, rate, capacity, thresholds, NODES, MOST_JOBS)
    if np.isnan(means[FULL]):
        return np.inf
    beyond = means[FULL] * excursion
    jobs = means[QUEUE] + busy.sum() + beyond * (capacity.sum() + thresholds[-1] + 1 + excursion)
    return jobs / (1 + beyond)
