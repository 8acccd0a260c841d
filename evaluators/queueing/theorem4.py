"""Theorem 4: bounds on the mean response time of JFFC from two birth-death processes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from evaluators.queueing.chains import rated_chains


class ResponseBounds(NamedTuple):
    """Bounds on the mean response time (s)."""

    lower_s: float
    upper_s: float


def theorem4(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> ResponseBounds:
    """Return the lower and the upper bound on the mean response time.

    With n jobs present, the n fastest slots of all are busy in the lower bound, and the n slowest in the upper one.
    The chains have `service_rates` (K,), in 1/s, and `capacities` (K,), in any order. Raises `UnstableError` unless
    λ < ν.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    slot_rate = np.repeat(chains.rate_per_s, chains.capacity)
    return ResponseBounds(
        _birth_death_response_s(chains.arrival_rate_per_s, np.cumsum(slot_rate)),
        _birth_death_response_s(chains.arrival_rate_per_s, np.cumsum(slot_rate[::-1])),
    )


def _birth_death_response_s(arrival_rate: float, death_rate: NDArray[np.float64]) -> float:
    """Return the mean response time E[N]/λ of a birth-death process.

    The death rate is `death_rate[n - 1]` with n <= C jobs and ν = `death_rate[-1]` with more. Weights are computed in
    log space.
    """
    load = arrival_rate / death_rate[-1]
    slots = death_rate.size
    log_weight = np.concatenate([[0.0], np.cumsum(np.log(arrival_rate / death_rate))])  # of φ_0 .. φ_C
    log_weight[-1] -= np.log1p(-load)  # all states from C on together
    jobs = np.arange(slots + 1, dtype=np.float64)
    jobs[-1] += load / (1 - load)  # the mean number of jobs in these states
    share = np.exp(log_weight - logsumexp(log_weight))
    return float(share @ jobs) / arrival_rate
