"""The goal as a number for each composition: a response time at a rate, or the largest rate under an SLO.

Under the theory (Poisson arrivals, exponential sizes, jobs that do not slow each other) each quantity has a `limit`
that its value cannot beat. Chain k serves a share p_k of the jobs. By Little's law it has p_k λ T_k jobs in service on
average, and at most its capacity c_k. So the mean response time Σ p_k T_k + waiting and the tail
P(response > t) >= Σ p_k exp(-t / T_k) are at least those of the shares that fill the fastest chains first.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from scipy.optimize import brentq

from evaluators.queueing.steady_state import SOLVED_TO, largest_rate_in_time_per_s
from planner.choice.prediction import loaded, response_s, response_times, theory_applies
from planner.choice.speed import speed_for_users
from planner.inventory.goals import LargestRate
from planner.inventory.inventory import Inventory
from system import Composition, InfeasibleError, UnstableError
from system.response import ResponseTimes
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.workload import Workload, rate_or_native

SIMULATED_TO = 1e-3  # relative accuracy of simulated rates


class Quantity(Protocol):
    """The number by which compositions are compared."""

    @property
    def rate_per_s(self) -> float | None:
        """Return the arrival rate; None if the quantity itself is a rate."""

    @property
    def quantile(self) -> float | None:
        """Return the share of jobs that counts, or None for the mean."""

    @property
    def sign(self) -> int:
        """Return 1 if less is better, -1 if more is better."""

    @property
    def is_exact(self) -> bool:
        """Return whether `value` is exact and `limit` holds; otherwise it is simulated."""

    def limit(self, composition: Composition) -> float:
        """Return a bound that no value beats.

        Raises `UnstableError` or `InfeasibleError` if there is no value.
        """

    def value(self, composition: Composition, to_beat: float | None = None) -> float | None:
        """Return the value, or None if it does not beat `to_beat`.

        Raises as `limit` does.
        """


@dataclass(frozen=True)
class ResponseTime:
    """The response time at a rate, in seconds: a quantile, or the mean if `quantile` is None."""

    rate_per_s: float
    quantile: float | None
    workload: Workload = field(repr=False)
    service: ServiceModel = INDEPENDENT
    seed: int = 0
    sign: ClassVar[int] = 1

    @property
    def is_exact(self) -> bool:
        """Return whether the theory applies."""
        return theory_applies(self.workload, self.service)

    def limit(self, composition: Composition) -> float:
        """Return a lower bound; raise `UnstableError` if the chains do not carry the rate."""
        composition.at_rate(self.rate_per_s).check_stable()
        served_per_s = composition.capacity * composition.service_rate_per_s
        before_per_s = np.cumsum(served_per_s) - served_per_s
        share = np.clip(self.rate_per_s - before_per_s, 0, served_per_s) / self.rate_per_s
        mean_s = float(share @ composition.mean_service_s)
        if self.quantile is None:
            return mean_s
        used, late = share > 0, 1 - self.quantile
        share, rate_per_s = share[used], composition.service_rate_per_s[used]
        return float(brentq(lambda t: share @ np.exp(-rate_per_s * t) - late, 0, mean_s / late))

    def value(self, composition: Composition, to_beat: float | None = None) -> float:
        """Return the response time (s); raise as `limit` does."""
        times = response_times(loaded(composition, self.rate_per_s), self.workload, self.service, self.seed)
        return response_s(times, self.quantile)


@dataclass(frozen=True)
class RateUnderSlo:
    """The largest rate (1/s) at which a share `quantile` of the jobs finishes within `slo_s`."""

    quantile: float
    slo_s: float
    workload: Workload = field(repr=False)
    service: ServiceModel = INDEPENDENT
    seed: int = 0
    sign: ClassVar[int] = -1
    rate_per_s: ClassVar[None] = None

    @property
    def is_exact(self) -> bool:
        """Return whether the theory applies."""
        return theory_applies(self.workload, self.service)

    @cached_property
    def late(self) -> float:
        """Return the share of the jobs that may be late."""
        return 1 - self.quantile

    def limit(self, composition: Composition) -> float:
        """Return an upper bound (1/s).

        Raises `InfeasibleError` if even a job alone is late too often.
        """
        alone_s = float(composition.mean_service_s[0] * -np.log(self.late))
        if alone_s > self.slo_s:
            raise self._too_slow(f"even on the idle fastest chain this quantile is already {alone_s:.4g} s")
        late = np.exp(-self.slo_s * composition.service_rate_per_s)  # ascending
        served_per_s = composition.capacity * composition.service_rate_per_s
        reached_per_s, late_per_s = np.cumsum(served_per_s), np.cumsum(served_per_s * late)
        over = np.flatnonzero(late_per_s > self.late * reached_per_s)
        if over.size == 0:
            return float(reached_per_s[-1])
        k = over[0]  # the first chain that is only partly filled
        before_per_s, late_before_per_s = reached_per_s[k] - served_per_s[k], late_per_s[k] - served_per_s[k] * late[k]
        return float((before_per_s * late[k] - late_before_per_s) / (late[k] - self.late))

    def value(self, composition: Composition, to_beat: float | None = None) -> float | None:
        """Return the rate (1/s), or None if it does not beat `to_beat`.

        Raises as `limit` does.
        """
        return self._exact(composition, to_beat or 0.0) if self.is_exact else self._simulated(composition)

    def _exact(self, composition: Composition, to_beat: float) -> float | None:
        total_per_s = composition.total_rate_per_s
        low = max(to_beat, SOLVED_TO * total_per_s)
        high = min(self.limit(composition) * (1 + SOLVED_TO), total_per_s * (1 - SOLVED_TO))
        return largest_rate_in_time_per_s(loaded(composition, low), self.quantile, self.slo_s, low, high)

    def _simulated(self, composition: Composition) -> float:
        """Return the rate (1/s) by bisection.

        This assumes that the share of late jobs grows with the rate.
        """
        total_per_s = composition.total_rate_per_s
        low, high = 0.0, total_per_s
        while high - low > SIMULATED_TO * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self._meets(composition, middle) else (low, middle)
            if high < SIMULATED_TO * total_per_s:
                raise self._too_slow("too many of these requests are late at any rate")
        return low

    def _meets(self, composition: Composition, rate_per_s: float) -> bool:
        try:
            return self._times(composition, rate_per_s).quantile_s("response", self.quantile) <= self.slo_s
        except UnstableError:  # happens below the rate of (4) if jobs slow each other
            return False

    def _times(self, composition: Composition, rate_per_s: float) -> ResponseTimes:
        return response_times(loaded(composition, rate_per_s), self.workload, self.service, self.seed)

    def _too_slow(self, reason: str) -> InfeasibleError:
        return InfeasibleError(
            f"slo_s = {self.slo_s:g} at quantile {self.quantile:g}: {reason}; raise slo_s or add faster servers"
        )


def quantity_of(inventory: Inventory, seed: int = 0) -> Quantity:
    """Return the quantity of an inventory's goal."""
    goal = inventory.goal
    if inventory.users is not None:
        return speed_for_users(inventory, inventory.users)
    if isinstance(goal, LargestRate):
        return RateUnderSlo(goal.quantile, goal.slo_s, inventory.workload, inventory.service.model, seed)
    return response_time(inventory, seed)


def response_time(inventory: Inventory, seed: int = 0) -> ResponseTime:
    """Return the goal's mean or quantile as a quantity.

    The rate is the inventory's, or the workload's own if the inventory gives none.
    """
    rate_per_s = rate_or_native(inventory.rate_per_s, inventory.workload.native_rate_per_s)
    return ResponseTime(rate_per_s, inventory.goal.quantile, inventory.workload, inventory.service.model, seed)


def value_or_none(quantity: Quantity, composition: Composition) -> float | None:
    """Return the value, or None where it does not exist.

    Either the chains do not carry the rate, or no rate meets the SLO.
    """
    try:
        return quantity.value(composition)
    except (InfeasibleError, UnstableError):
        return None
