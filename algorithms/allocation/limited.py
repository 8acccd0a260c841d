"""Allocations whose chains serve a limited number of jobs at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from system import Composition, Placement, System
from system.checks import require_count
from system.limits import SLOTS


@dataclass(frozen=True)
class Limited:
    """An allocation, and the most jobs that any of its chains serves at once.

    The limit applies to the chains that the allocation gives: chains and their order stay, larger capacities become the
    limit, and the cache beyond it stays empty. So a server computes for fewer jobs at a time, which matters where jobs
    slow each other. Without a limit the allocation is unchanged.
    """

    allocate: Callable[[System, Placement], Composition]
    most_per_chain: int | None = None

    def __post_init__(self) -> None:
        if self.most_per_chain is not None:
            require_count(SLOTS, most_per_chain=self.most_per_chain)

    def __call__(self, system: System, placement: Placement) -> Composition:
        """Return the allocation's chains with limited capacities; raise as it does."""
        chains = self.allocate(system, placement)
        if self.most_per_chain is None:
            return chains
        return replace(chains, capacity=np.minimum(chains.capacity, self.most_per_chain))
