"""The interface of objectives of the search; evaluators make them (`evaluators.points.objectives`)."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from system import Composition, System

NO_SETTINGS = np.empty(0)
BETTER = (1.0, 0.95)  # shares of the paper's percentile at which late jobs are counted
HIGHER = (1.0, 1.06, 1.12)  # multiples of the paper's largest rate at which late jobs are counted
BURSTY = (1.0, 1.1, 1.25, 1.5)  # multiples of the rate for workloads whose jobs come or grow unevenly


class Stage(NamedTuple):
    """One search: the arrival rate, and the settings of the function that values prefixes."""

    arrival_rate_per_s: float
    settings: NDArray[np.float64]


class SearchObjective(Protocol):
    """A number of a composition that the search makes as small as it can.

    While it searches, it only knows values of prefixes of chains. The call decides among the compositions that the
    stages lead to.
    """

    @property
    def prefix_values(self) -> Callable[..., Any]:
        """Return the compiled function that values prefixes of chains (`PREFIX_VALUES`)."""

    @property
    def finalists(self) -> int:
        """Return how many compositions of each stage the call decides among."""

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return the searches, which share the evaluations equally."""

    def __call__(self, layout: Composition) -> float:
        """Return the value.

        Raises `UnstableError` or `InfeasibleError` for a composition without one.
        """
