"""The complete scheme of Helix."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from algorithms.forwarding import ForwardingScheme
from algorithms.routing.links import RoutedComposition
from algorithms.routing.weighted import weighted_routes
from system import InfeasibleError, Placement, System
from system.checks import require_boolean
from system.random_streams import is_deterministic
from system.routing import FlowRouting
from system.system import Forwarding
from system.token_flow import max_flow


@dataclass(frozen=True)
class Helix(ForwardingScheme):
    """A placement, and routes by interleaved weighted round robin over its largest flow of tokens.

    `placement` is Helix's program or any other placement. `high_water` and `least_share` are those of
    `system.routing.FlowRouting`. Helix's servers send activations straight to the next server, so `forwarding` is
    direct.
    """

    placement: Callable[[System, int, np.random.Generator], Placement]
    partial: bool = True
    high_water: float = 0.9
    least_share: float = 0.05
    forwarding: Forwarding = field(default="direct", kw_only=True)

    def __post_init__(self) -> None:
        require_boolean(partial=self.partial)
        FlowRouting(np.ones(1), self.high_water, self.least_share)

    @property
    def deterministic(self) -> bool:
        """Return whether the placement is."""
        return is_deterministic(self.placement)

    def compose(self, system: System, rng: np.random.Generator) -> RoutedComposition:
        """Return the placement with the weights of its largest flow.

        Raises `InfeasibleError` if no tokens flow through all blocks, and `NotApplicableError` if the network does not
        know the times between servers.
        """
        system = self.forwarded(system)
        placement = self.placement(system, 1, rng)
        flow = max_flow(system, placement, self.partial)
        if flow.tokens_per_s == 0:
            raise InfeasibleError(placement.why_no_chain(system))
        rule = FlowRouting(flow.edge_tokens_per_s, self.high_water, self.least_share)
        return weighted_routes(system, placement, rule)
