"""Parallax: layers by water filling, and each request on the path that is fastest now (GradientHQ, commit 162354a)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.forwarding import ForwardingScheme
from algorithms.placement.parallax import ParallaxPlacement, data_sheets
from algorithms.placement.petals import GIB_IN_GB
from algorithms.routing.links import RoutedComposition, exits_s, leading_hops, legal_links
from algorithms.routing.parallax import load_delay
from system import Composition, InfeasibleError, NotApplicableError, Placement, System
from system.checks import require_count, require_not_negative, require_one_of
from system.dispatch import Dispatch
from system.routing import WAITING, Routing, Waiting
from system.system import Forwarding

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Parallax(ForwardingScheme):
    """Parallax's placement, and its router by dynamic programming over the layers.

    A hop costs the round trip between the servers, the time of one decoding step in one block of the server, and
    `load_s` times the share of its requests that are present. A server never has more than `most_requests`, nor more
    than its caches hold. A request runs all blocks of each server on its path, so that ranges must fit together.
    Parallax itself has no queue: clients of a full cluster try again. Here requests wait as `waiting` says.

    `dispatch` None is Parallax's own router; with a policy, GCA forms chains over the placement instead.
    """

    placement: ParallaxPlacement
    waiting: Waiting = "central"
    most_requests: int = 16
    load_s: float = 5e-5
    dispatch: Dispatch | None = None
    forwarding: Forwarding = field(default="direct", kw_only=True)

    def __post_init__(self) -> None:
        require_one_of(WAITING, waiting=self.waiting)
        require_count(most_requests=self.most_requests)
        require_not_negative(load_s=self.load_s)

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch is None or self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition | RoutedComposition:
        """Return the placement with Parallax's router or as chains; nothing is random."""
        system = self.forwarded(system)
        placement = self.placement(system)
        placement.check(system)
        if self.dispatch is not None:
            return gca(system, placement).under(self.dispatch)
        return self._routes(system, placement)

    def _routes(self, system: System, placement: Placement) -> RoutedComposition:
        """Return the layout of Parallax's router."""
        servers, slots = system.servers, self.slots(system, placement)
        links = legal_links(placement, slots, system.model.block_count)
        if servers.rtt_s is None:
            raise NotApplicableError(
                "algorithm = parallax: needs the round-trip times between servers, which this network does not know; "
                "use network=ripe_synthetic or network=european"
            )
        rtt_s = np.vstack([servers.rtt_s, np.zeros(len(servers))])  # the first hop has no server before it
        is_whole = links.blocks == placement.block_count[links.target]
        step_s = servers.block_s[links.target, 2]
        cost_s = np.where(is_whole, rtt_s[links.source, links.target] + step_s, np.inf)
        exit_s = exits_s(system, placement, 0.0)
        leading = leading_hops(links.source, links.target, np.isfinite(cost_s), np.isfinite(exit_s))
        if not leading[links.source == len(servers)].any():
            raise InfeasibleError("no path: a server of each pipeline lacks cache for one job; raise cache_share")
        requests = np.minimum(self.most_requests, slots // np.maximum(placement.block_count, 1))
        rule = Routing(load_delay, self.waiting, settings=np.append(requests, self.load_s))
        return RoutedComposition(system, placement, slots, links, cost_s, exit_s, rule)

    def slots(self, system: System, placement: Placement) -> Ints:
        """Return (J,) the cache slots in the GPUs' share for caches, if they fit."""
        gpu_gb, _ = data_sheets(system)
        share_gb = gpu_gb * GIB_IN_GB * self.placement.cache_share
        shared = (share_gb // system.model.cache_memory_gb).astype(np.int64)
        return np.minimum(placement.cache_slots(system), shared)
