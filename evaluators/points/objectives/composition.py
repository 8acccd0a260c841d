"""Objectives of the search for compositions (`conf/algorithm/searched.yaml`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evaluators.points.theory import exact_mean_s
from evaluators.queueing.prefix_means import prefix_means
from system import Composition, System


@dataclass(frozen=True)
class ExactMean:
    """The exact mean response time, for Poisson arrivals, exponential sizes, equation (2) and JFFC."""

    prefix_values: ClassVar[Callable[..., Any]] = staticmethod(prefix_means)
    finalists: ClassVar[int] = 1

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return no settings."""
        return np.empty(0)

    def searched_rates_per_s(self, system: System) -> tuple[float, ...]:
        """Return the arrival rate of the system."""
        return (system.arrival_rate_per_s,)

    def __call__(self, layout: Composition) -> float:
        """Return the mean."""
        return exact_mean_s(layout)
