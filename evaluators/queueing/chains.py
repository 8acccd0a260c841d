"""Chains as the queueing formulas need them: checked rates, in descending order, and capacities."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system import UnstableError
from system.checks import float_vector, require, require_at_most, require_positive, whole_vector
from system.limits import SLOTS, SMALLEST


class RatedChains(NamedTuple):
    """The arrival rate λ and the chains, fastest first."""

    arrival_rate_per_s: float
    rate_per_s: NDArray[np.float64]  # (K,), descending
    capacity: NDArray[np.int64]  # (K,)
    input_index: NDArray[np.int64]  # (K,), index of the k-th fastest chain in the input
    spare_rate_per_s: float  # ν - λ, without the rounding errors of ν

    @property
    def total_rate_per_s(self) -> float:
        """Return the total service rate ν of (4)."""
        return float(self.rate_per_s @ self.capacity)

    @property
    def mean_excursion(self) -> float:
        """Return ρ/(1-ρ): the arrivals, on average, until a full system has a free slot."""
        return self.arrival_rate_per_s / self.spare_rate_per_s


def rated_chains(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> RatedChains:
    """Return checked chains in descending order of rate.

    Raises `InputError` unless all numbers are valid, and `UnstableError` unless λ < ν.
    """
    require_positive(arrival_rate=arrival_rate)
    rate = float_vector("service_rates", service_rates, SMALLEST)
    capacity = whole_vector("capacities", capacities, minimum=1)
    require(rate.size > 0, "service_rates", "[]", "give at least one chain")
    size = f"array of size {capacity.size}"
    require(rate.size == capacity.size, "capacities", size, f"give {rate.size}, one per chain")
    require_at_most(SLOTS, **{"sum of capacities": float(capacity.sum(dtype=np.float64))})
    order = np.argsort(-rate, kind="stable")
    spare = _spare_rate(float(arrival_rate), rate, capacity)
    chains = RatedChains(float(arrival_rate), rate[order], capacity[order], order, spare)
    if arrival_rate >= chains.total_rate_per_s or spare <= 0:
        raise UnstableError(
            f"arrival_rate = {arrival_rate:g}: must be below the total service rate {chains.total_rate_per_s:g}/s, "
            "because otherwise there is no steady state; lower the rate or add chains"
        )
    return chains


def _spare_rate(arrival_rate: float, rate: NDArray[np.float64], capacity: NDArray[np.int64]) -> float:
    """Return ν - λ, to 23 digits of ν.

    At a load near 1, the rounding errors of ν would outweigh the difference. So each rate is split into its first 23
    bits, whose product with a capacity is exact, and the rest; the products are added without rounding.
    """
    leading = rate * (2.0**30 + 1)
    leading -= leading - rate
    products = np.concatenate([leading * capacity, (rate - leading) * capacity])
    return math.fsum([-arrival_rate, *products.tolist()])
