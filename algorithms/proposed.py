"""The paper's scheme: placement with reserved cache, allocation of the cache to chains, and a dispatch policy."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from algorithms.forwarding import ForwardingScheme
from algorithms.tuning import Compose
from system import Composition, Placement, System
from system.dispatch import Dispatch
from system.random_streams import is_deterministic


@dataclass(frozen=True)
class Proposed(ForwardingScheme):
    """A placement, allocation, tuning and dispatch policy; the configured defaults are GBP-CR, GCA and JFFC."""

    placement: Callable[[System, int, np.random.Generator], Placement]
    allocation: Callable[[System, Placement], Composition]
    tuning: Callable[[System, Compose], Composition]
    dispatch: Dispatch

    @property
    def deterministic(self) -> bool:
        """Return whether neither the placement nor the policy is random."""
        return is_deterministic(self.placement, self.dispatch)

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the chains at the c that the tuning chooses, under the policy.

        The placement gets the same random numbers for every c.
        """
        system, seed = self.forwarded(system), rng.integers(2**63)

        def compose(c: int) -> Composition:
            placement = self.placement(system, c, np.random.default_rng(seed))
            if placement.reserved_capacity != c:
                placement = replace(placement, reserved_capacity=c)
            return self.allocation(system, placement)

        return self.tuning(system, compose).under(self.dispatch)
