"""The interface of objectives of the search; evaluators make them (`evaluators.points.objectives`)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from system import Composition, System


class SearchObjective(Protocol):
    """A number of a composition that the search makes as small as it can.

    While it searches, it only knows values of prefixes at the arrival rates of `searched_rates_per_s`. The call decides
    among the compositions found.
    """

    @property
    def prefix_values(self) -> Callable[..., Any]:
        """Return the compiled function that values prefixes of chains (`PREFIX_VALUES`)."""

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return the settings of that function."""

    @property
    def finalists(self) -> int:
        """Return how many of the compositions found at each rate the call decides among."""

    def searched_rates_per_s(self, system: System) -> tuple[float, ...]:
        """Return the arrival rates for which compositions are searched."""

    def __call__(self, layout: Composition) -> float:
        """Return the value.

        Raises `UnstableError`, `InfeasibleError` or `AccuracyError` for a composition without one.
        """
