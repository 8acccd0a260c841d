"""Chains as the queueing formulas see them: rates in descending order and capacities, checked once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system import UnstableError
from system.checks import float_vector, require, require_positive, whole_vector


class RatedChains(NamedTuple):
    """λ, and the chains fastest first; `given[k]` is where the k-th fastest stood in the input."""

    arrival_rate_per_s: float
    rate_per_s: NDArray[np.float64]  # (K,), descending
    capacity: NDArray[np.int64]  # (K,)
    given: NDArray[np.int64]  # (K,)

    @property
    def total_rate_per_s(self) -> float:
        """ν of (4)."""
        return float(self.rate_per_s @ self.capacity)


def rated_chains(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> RatedChains:
    """Chains in descending order of rate; raises unless every number makes sense and λ < ν."""
    require_positive(arrival_rate=arrival_rate)
    rate = float_vector("service_rates", service_rates, np.finfo(float).tiny)
    capacity = whole_vector("capacities", capacities, minimum=1)
    require(rate.size > 0, "service_rates", "[]", "give at least one chain")
    require(
        rate.size == capacity.size, "capacities", f"{capacity.size} entries", f"give one for all {rate.size} chains"
    )
    given = np.argsort(-rate, kind="stable")
    chains = RatedChains(float(arrival_rate), rate[given], capacity[given], given)
    if arrival_rate >= chains.total_rate_per_s:
        raise UnstableError(
            f"arrival_rate = {arrival_rate:g}: must be below the total service rate {chains.total_rate_per_s:g}/s; "
            "there is no steady state otherwise"
        )
    return chains
