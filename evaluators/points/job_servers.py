"""The number of job servers for a required rate: a bound, the optimum, GCA and the surrogate (paper Fig. 2)."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.ilp import least_capacities, slots_of_jobs
from algorithms.placement.reservation import needed_chains
from evaluators.points.case import Draw, Measurement
from system import Composition, InfeasibleError
from system.checks import SLACK, require_share


@dataclass(frozen=True)
class JobServersEvaluator:
    """Job servers for the required rates λ/ρ̄ = p ν with p in `shares`.

    They do not depend on the arrival rate of the case.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        for share in self.shares:
            require_share(shares=share)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: the counts follow from the composition."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Count the job servers for every share on the composition of one draw."""
        composition = draw.layout.composition()
        return [measurement for share in self.shares for measurement in _measured(composition, share)]


def _measured(composition: Composition, share: float) -> list[Measurement]:
    """Return the counts at one share of ν.

    The surrogate has no count if the reserved chains do not reach the rate. The authors' simulator counts all reserved
    chains at every rate instead.
    """
    system, rate_per_s = composition.system, composition.service_rate_per_s
    required_per_s = share * composition.total_rate_per_s
    slots = composition.placement.cache_slots(system)
    counts = {
        "lower_bound_job_servers": whole_slots(required_per_s / rate_per_s[0]),
        "ilp_job_servers": least_capacities(rate_per_s, required_per_s, slots_of_jobs(composition), slots).sum(),
        "gca_job_servers": greedy_slots(rate_per_s, composition.capacity, required_per_s),
        "all_chains_job_servers": composition.placement.reserved_job_servers,
    }
    with suppress(InfeasibleError):
        at_required_rate = replace(system, arrival_rate_per_s=required_per_s * system.target_load)
        reserved = composition.placement.reserved_capacity
        counts["surrogate_job_servers"] = reserved * needed_chains(at_required_rate, composition.placement)
    return [Measurement(metric, count, share) for metric, count in counts.items()]


def greedy_slots(rate_per_s: NDArray[np.float64], capacity: NDArray[np.int64], required_per_s: float) -> int:
    """Return the capacity of the fastest chains that together reach the rate.

    Rates (K,) descend. Of the last chain only the part that is needed counts.
    """
    reached_per_s = np.cumsum(rate_per_s * capacity)
    last = int(np.searchsorted(reached_per_s * (1 + SLACK), required_per_s))
    missing_per_s = required_per_s - reached_per_s[last] + rate_per_s[last] * capacity[last]
    return int(capacity[:last].sum()) + whole_slots(missing_per_s / rate_per_s[last])


def whole_slots(slots: float) -> int:
    """Return the next whole number of slots, allowing for rounding errors."""
    return int(np.ceil(slots * (1 - SLACK)))
