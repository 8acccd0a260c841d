"""GBP-CR, greedy block placement with cache reservation (paper Alg. 1)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from algorithms.placement.reservation import LAST_SERVERS, by_amortised_time, check_stop_rule, form_chains
from system import Placement, System
from system.checks import require_one_of


@dataclass(frozen=True)
class GbpCr:
    """Disjoint chains of the servers with the least amortised time per block, each with room for c jobs.

    `stop_rule` is `max_chains` (form chains as long as there are servers) or `required_rate` (Alg. 1 as printed: form
    chains until their rate reaches λ/(ρ̄c)). Running out of servers is not an error.

    `last_server` says what a chain's last server hosts. `whole` is Alg. 1: it hosts m_j(c) blocks and overlaps the
    servers before it. `truncated` is the authors' simulator: it hosts only the blocks that the chain lacks. There a
    server does not join an open chain either if all unused servers together cannot complete the chain. Such a placement
    leaves memory to caches, but differs from the paper's text, so it is not the default.
    """

    deterministic: ClassVar[bool] = True

    stop_rule: str = "max_chains"
    last_server: str = "whole"

    def __post_init__(self) -> None:
        check_stop_rule(self.stop_rule)
        require_one_of(LAST_SERVERS, last_server=self.last_server)

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
        """Return the placement with the reserved chains of c = `reserved_capacity` jobs each."""
        order, _ = by_amortised_time(system, reserved_capacity)  # (8)
        return form_chains(system, reserved_capacity, order, self.stop_rule, self.last_server == "truncated")
