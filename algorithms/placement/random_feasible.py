"""Random placements with cache reservation, with which GBP-CR is compared (paper Fig. 1)."""

from dataclasses import dataclass

import numpy as np

from algorithms.placement.reservation import check_stop_rule, form_chains, needed_chains, reserving_block_count
from system import Placement, System


@dataclass(frozen=True)
class RandomFeasible:
    """Chains formed as in GBP-CR, but with the servers in random order.

    With the stop rule `required_rate`, a placement whose chains do not reach λ/(ρ̄c) raises `InfeasibleError`: it is not
    a solution of the problem and must be discarded. With `max_chains`, every order gives a placement.
    """

    stop_rule: str = "max_chains"

    def __post_init__(self) -> None:
        check_stop_rule(self.stop_rule)

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator) -> Placement:
        """Return the placement with the reserved chains of c = `reserved_capacity` jobs each."""
        usable = np.flatnonzero(reserving_block_count(system, reserved_capacity))
        placement = form_chains(system, reserved_capacity, rng.permutation(usable), self.stop_rule)
        if self.stop_rule == "required_rate":
            needed_chains(system, placement)
        return placement
