"""Objectives of the search for compositions (`conf/algorithm/searched.yaml`)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.composition_search.objective import BETTER, BURSTY, HIGHER, NO_SETTINGS, Stage
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from algorithms.tuning import BestCapacity, best_candidates
from evaluators.points.objectives.interference import SimulatedResponse
from evaluators.points.theory import ExactPercentile, exact_mean_s
from evaluators.queueing.prefixes.means import prefix_means, prefix_rates
from evaluators.queueing.prefixes.tails import prefix_tails
from evaluators.queueing.steady_state import SOLVED_TO, largest_rate_in_time_per_s
from system import Composition, InfeasibleError, System
from system.checks import require, require_at_most, require_count, require_positive, require_share
from system.dispatch import Dispatch
from system.limits import CANDIDATES, SLO_S
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.synthetic import is_poisson_exponential
from workloads.workload import Workload


@dataclass(frozen=True)
class ExactMean:
    """The exact mean response time, for Poisson arrivals, exponential sizes, equation (2) and JFFC."""

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_means)
    finalists: ClassVar[int] = 1

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return one search at the rate of the system."""
        return (Stage(system.arrival_rate_per_s, NO_SETTINGS),)

    def __call__(self, layout: Composition) -> float:
        """Return the mean."""
        return exact_mean_s(layout)


@dataclass(frozen=True)
class LargestTotalRate:
    """The negative total service rate ν of (4)."""

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_rates)
    finalists: ClassVar[int] = 1

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return one search."""
        return (Stage(system.arrival_rate_per_s, NO_SETTINGS),)

    def __call__(self, layout: Composition) -> float:
        """Return -ν."""
        return -layout.total_rate_per_s


@dataclass(frozen=True)
class SearchedPercentile:
    """The exact response time that a share `q` of the jobs does not exceed.

    The search makes the share of jobs above a time small. The time is the least percentile of the paper's compositions
    over c, and then a shorter one.
    """

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_tails)

    q: float = 0.95
    finalists: int = 10

    def __post_init__(self) -> None:
        require_share(q=self.q)
        require_count(CANDIDATES, finalists=self.finalists)

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return a search for each time; raise `UnstableError` if no c is stable."""
        least_s = least_of(ExactPercentile(self.q), system)
        return tuple(Stage(system.arrival_rate_per_s, np.array([share * least_s])) for share in BETTER)

    def __call__(self, layout: Composition) -> float:
        """Return the percentile."""
        return ExactPercentile(self.q)(layout)


@dataclass(frozen=True)
class LargestRateUnderSlo:
    """The negative of the largest rate at which a share `q` of the jobs finishes within `slo_s`, by exact theory.

    The search makes the share of late jobs small, at multiples of the largest rate of the paper's compositions over c.
    """

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_tails)

    q: float
    slo_s: float
    finalists: int = 10

    def __post_init__(self) -> None:
        require_share(q=self.q)
        require_positive(slo_s=self.slo_s)
        require_at_most(SLO_S, slo_s=self.slo_s)
        require_count(CANDIDATES, finalists=self.finalists)

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return a search for each rate; raise `InfeasibleError` if no c meets the SLO."""
        largest_per_s = -least_of(self, system)
        return tuple(Stage(factor * largest_per_s, np.array([self.slo_s], float)) for factor in HIGHER)

    def __call__(self, layout: Composition) -> float:
        """Return minus the rate; raise `InfeasibleError` if no rate meets the SLO."""
        total_per_s = layout.total_rate_per_s
        low, high = (share * total_per_s for share in (SOLVED_TO, 1 - SOLVED_TO))
        rate_per_s = largest_rate_in_time_per_s(layout, self.q, self.slo_s, low, high)
        if rate_per_s is None:
            raise InfeasibleError(
                f"slo_s = {self.slo_s:g} at quantile {self.q:g}: too many jobs are late at any rate; raise slo_s"
            )
        return -rate_per_s


def least_of(objective: Callable[[Composition], float], system: System) -> float:
    """Return the least objective of GBP-CR and GCA over c.

    Raises the first refusal if no c has a value.
    """
    candidates = BestCapacity(objective).candidates(system)
    (best,) = best_candidates(lambda c: gca(system, GbpCr()(system, c)), objective, candidates, 1)
    return best.value


@dataclass(frozen=True)
class SearchedMean:
    """The mean response time of the workload's own jobs under the service model.

    Where arrivals are Poisson, sizes exponential, and jobs take the times of equation (2), it is the exact mean under
    JFFC. Otherwise it is simulated: compositions are searched by the exact mean at 1, 1.1, 1.25 and 1.5 times the rate,
    because compositions for the mean rate alone have less rate to spare when many jobs come at once. The simulation
    decides among them and all starts, with those of the paper's scheme at every c.
    """

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_means)

    workload: Workload
    service: ServiceModel = INDEPENDENT
    dispatch: Dispatch = JFFC
    job_count: int = 10_000
    seed: int = 0
    finalists: int = 3  # of each rate, where the simulation decides

    def __post_init__(self) -> None:
        require_count(CANDIDATES, finalists=self.finalists)
        slowdown = getattr(self.service, "slowdown", 1.0)
        remedy = "jobs may be faster than by equation (2), so its exact mean bounds nothing; give at least 1"
        require(slowdown >= 1, "service.slowdown", slowdown, remedy)

    @property
    def is_exact(self) -> bool:
        """Return whether the exact mean decides."""
        return is_poisson_exponential(self.workload) and self.service == INDEPENDENT

    @property
    def simulates(self) -> bool:
        """Return whether a simulation decides."""
        return not self.is_exact

    @cached_property
    def _simulated(self) -> SimulatedResponse:
        return SimulatedResponse(self.workload, self.service, self.dispatch, self.job_count, self.seed)

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return a search for each rate."""
        factors = (1.0,) if self.is_exact else BURSTY
        return tuple(Stage(factor * system.arrival_rate_per_s, NO_SETTINGS) for factor in factors)

    def __call__(self, layout: Composition) -> float:
        """Return the mean."""
        return exact_mean_s(layout) if self.is_exact else self._simulated(layout)
