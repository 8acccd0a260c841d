"""The goal of a plan as an objective of searches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from algorithms.composition_search.objective import BETTER, BURSTY, HIGHER, NO_SETTINGS, Stage
from evaluators.queueing.prefixes.means import prefix_means
from evaluators.queueing.prefixes.tails import prefix_tails
from planner.choice.quantity import Quantity, RateUnderSlo
from system import Composition, System
from system.errors import AccuracyError, InfeasibleError


@dataclass
class SearchGoal:
    """The goal as an objective of the search; a composition has a value only if it beats all before it."""

    finalists: ClassVar[int] = 20

    quantity: Quantity
    best: float  # so far

    @property
    def prefix_values(self) -> Callable[..., Any]:
        """Return the function that values prefixes of chains.

        It gives their means, or their shares of late jobs where the goal is an exact percentile or rate.
        """
        is_mean = self.quantity.quantile is None or not self.quantity.is_exact
        return prefix_means if is_mean else prefix_tails

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return the searches, as those of `algorithm=searched` for the same goal."""
        rate_per_s = system.arrival_rate_per_s
        if not self.quantity.is_exact:
            return tuple(Stage(factor * rate_per_s, NO_SETTINGS) for factor in BURSTY)
        if isinstance(self.quantity, RateUnderSlo):
            return tuple(Stage(factor * rate_per_s, np.array([self.quantity.slo_s], float)) for factor in HIGHER)
        if self.quantity.quantile is None:
            return (Stage(rate_per_s, NO_SETTINGS),)
        return tuple(Stage(rate_per_s, np.array([share * self.best])) for share in BETTER)

    def __call__(self, layout: Composition) -> float:
        """Return the value, with a minus if more is better.

        Raises `InfeasibleError` if it beats nothing.
        """
        try:
            value = self.quantity.value(layout, self.best) if self._is_promising(layout) else None
        except AccuracyError as error:
            raise InfeasibleError(str(error)) from error
        if value is None or not self._beats(value):
            raise InfeasibleError(f"not better than {self.best:.4g}")
        self.best = value
        return self.quantity.sign * value

    def _is_promising(self, layout: Composition) -> bool:
        return not self.quantity.is_exact or self._beats(self.quantity.limit(layout))

    def _beats(self, value: float) -> bool:
        return self.quantity.sign * value < self.quantity.sign * self.best
