"""A layout: what an algorithm makes of a system, be it chains or routes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from system.placement import Placement
from system.system import System

if TYPE_CHECKING:  # numba, which rules need, takes longer to load than all else
    from system.composition import Composition
    from system.dispatch import Dispatch
    from system.routing import Routing


class Layout(Protocol):
    """Which server hosts which blocks, how many jobs fit, and the rule by which jobs get to servers.

    Only admission reads the rule (`evaluators.admission`).
    """

    @property
    def system(self) -> System: ...

    @property
    def placement(self) -> Placement: ...

    @property
    def rule(self) -> "Dispatch | Routing | None":
        """None for chains that have no policy yet."""

    @property
    def most_hops(self) -> int:
        """Hops of the longest way through all blocks."""

    @property
    def load(self) -> float:
        """The arrival rate over the total service rate (4); NaN where that is not known."""

    @property
    def sizes(self) -> Mapping[str, float]:
        """What its cost grows with, by the names of metrics."""

    def slots_used(self) -> NDArray[np.int64]:
        """Return (J,) cache slots that jobs may take on each server at once."""

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same layout at another arrival rate."""

    def check_stable(self) -> None:
        """Raise `UnstableError` if the arrival rate is known to be too high (4)."""

    def composition(self) -> "Composition":
        """Return the layout as chains; raise `NotApplicableError` if it has none."""
