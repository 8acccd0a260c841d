"""How many job servers a required rate takes: a bound, the optimum, GCA and the surrogate (paper Fig. 2)."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.ilp import blocks_run, least_capacities
from algorithms.placement.reservation import needed_chains
from evaluators.points.case import Draw, Measurement
from system import Composition, InfeasibleError
from system.checks import SLACK, require_share


@dataclass(frozen=True)
class JobServersEvaluator:
    """Job servers for the required rates λ/ρ̄ = p ν, p in `shares`, whatever the arrival rate is."""

    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        for share in self.shares:
            require_share(shares=share)

    @property
    def varies_with(self) -> Literal["draw"]:
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        return [found for share in self.shares for found in _measured(draw.layout.composition(), share)]


def _measured(composition: Composition, share: float) -> list[Measurement]:
    """The counts at one share of ν; none by the surrogate where the reserved chains do not reach the rate."""
    system, rate_per_s = composition.system, composition.service_rate_per_s
    required_per_s = share * composition.total_rate_per_s
    slots = composition.placement.cache_slots(system)
    counts = {
        "lower_bound_job_servers": whole_slots(required_per_s / rate_per_s[0]),
        "ilp_job_servers": least_capacities(rate_per_s, required_per_s, blocks_run(composition), slots).sum(),
        "gca_job_servers": greedy_slots(rate_per_s, composition.capacity, required_per_s),
    }
    with suppress(InfeasibleError):
        asked = replace(system, arrival_rate_per_s=required_per_s * system.target_load)
        reserved = composition.placement.reserved_capacity
        counts["surrogate_job_servers"] = reserved * needed_chains(asked, composition.placement)
    return [Measurement(metric, count, share) for metric, count in counts.items()]


def greedy_slots(rate_per_s: NDArray[np.float64], capacity: NDArray[np.int64], required_per_s: float) -> int:
    """Slots of the fastest chains (rates descending) that together reach the rate, the last chain in part."""
    reached_per_s = np.cumsum(rate_per_s * capacity)
    last = int(np.searchsorted(reached_per_s * (1 + SLACK), required_per_s))
    missing_per_s = required_per_s - reached_per_s[last] + rate_per_s[last] * capacity[last]
    return int(capacity[:last].sum()) + whole_slots(missing_per_s / rate_per_s[last])


def whole_slots(slots: float) -> int:
    """The next whole number, but for rounding errors."""
    return int(np.ceil(slots * (1 - SLACK)))
