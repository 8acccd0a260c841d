"""The interface of layouts, the results of algorithms: chains (a composition) or routes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from system.placement import Placement
from system.system import System

if TYPE_CHECKING:  # rules import numba, which takes longer to load than everything else
    from system.composition import Composition
    from system.dispatch import Dispatch
    from system.routing import FlowRouting, Routing


class Layout(Protocol):
    """The blocks that each server hosts, the jobs that fit, and the rule that sends jobs to servers.

    Only admission reads the rule (`evaluators.admission`).
    """

    @property
    def system(self) -> System:
        """Return the system that the layout serves."""

    @property
    def placement(self) -> Placement:
        """Return the placement of blocks on servers."""

    @property
    def rule(self) -> "Dispatch | Routing | FlowRouting | None":
        """Return the rule that sends jobs to servers; None for chains without a policy."""

    @property
    def most_hops(self) -> int:
        """Return the number of hops of the longest path through all blocks."""

    @property
    def load(self) -> float:
        """Return the arrival rate over the total service rate (4); NaN if unknown."""

    @property
    def sizes(self) -> Mapping[str, float]:
        """Return the quantities that computing costs grow with, keyed by metric name."""

    def slots_used(self) -> NDArray[np.int64]:
        """Return (J,) the cache slots that jobs may take on each server at once."""

    def least_service_s(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the least service time (2) of each job on any path.

        The jobs have size 1, and `x` (n, 3) has a row (1, input tokens, output tokens - 1) for each.
        """

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same layout at another arrival rate."""

    def check_stable(self) -> None:
        """Raise `UnstableError` if the arrival rate is known to be too high (4)."""

    def composition(self) -> "Composition":
        """Return the layout as chains; raise `NotApplicableError` if it has none."""
