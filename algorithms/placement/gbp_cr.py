"""GBP-CR, greedy block placement with cache reservation (paper Alg. 1)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from algorithms.placement.reservation import by_amortised_time, check_stop_rule, form_chains
from system import Placement, System


@dataclass(frozen=True)
class GbpCr:
    """Disjoint chains of the servers with the least amortised time per block, each with room for c jobs.

    `stop_rule` is `max_chains` (form chains as long as there are servers) or `required_rate` (Alg. 1 as printed: form
    chains until their rate reaches λ/(ρ̄c)). Running out of servers is not an error.
    """

    deterministic: ClassVar[bool] = True

    stop_rule: str = "max_chains"

    def __post_init__(self) -> None:
        check_stop_rule(self.stop_rule)

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
        """Return the placement with the reserved chains of c = `reserved_capacity` jobs each."""
        order, _ = by_amortised_time(system, reserved_capacity)  # (8)
        return form_chains(system, reserved_capacity, order, self.stop_rule)
