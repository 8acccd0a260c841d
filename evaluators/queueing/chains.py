"""Chains as the queueing formulas need them: checked rates, in descending order, and capacities."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system import UnstableError
from system.checks import float_vector, require, require_positive, whole_vector


class RatedChains(NamedTuple):
    """The arrival rate λ and the chains, fastest first."""

    arrival_rate_per_s: float
    rate_per_s: NDArray[np.float64]  # (K,), descending
    capacity: NDArray[np.int64]  # (K,)
    input_index: NDArray[np.int64]  # (K,), index of the k-th fastest chain in the input

    @property
    def total_rate_per_s(self) -> float:
        """Return the total service rate ν of (4)."""
        return float(self.rate_per_s @ self.capacity)


def rated_chains(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> RatedChains:
    """Return checked chains in descending order of rate.

    Raises `InputError` unless all numbers are valid, and `UnstableError` unless λ < ν.
    """
    require_positive(arrival_rate=arrival_rate)
    rate = float_vector("service_rates", service_rates, np.finfo(float).tiny)
    capacity = whole_vector("capacities", capacities, minimum=1)
    require(rate.size > 0, "service_rates", "[]", "give at least one chain")
    size = f"array of size {capacity.size}"
    require(rate.size == capacity.size, "capacities", size, f"give {rate.size}, one per chain")
    order = np.argsort(-rate, kind="stable")
    chains = RatedChains(float(arrival_rate), rate[order], capacity[order], order)
    if arrival_rate >= chains.total_rate_per_s:
        raise UnstableError(
            f"arrival_rate = {arrival_rate:g}: must be below the total service rate {chains.total_rate_per_s:g}/s, "
            "because otherwise there is no steady state; lower the rate or add chains"
        )
    return chains
