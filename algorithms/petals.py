"""PETALS: servers join in random order, and clients route each job by latency (petals, commit 22afba6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.forwarding import ForwardingScheme
from algorithms.placement.petals import PetalsPlacement
from algorithms.routing.links import Links, RoutedComposition, exits_s, legal_links
from algorithms.routing.petals import full_sessions_penalty, no_cache_penalty
from system import NotApplicableError, Servers, System
from system.checks import require_at_most, require_not_negative, require_one_of
from system.limits import DELAY_S
from system.routing import OCCUPANCIES, WAITING, Occupancy, Routing, Waiting

PENALTIES = ("free_slots", "sessions")
HOP_TIMES = ("decode_step", "mean_token")


@dataclass(frozen=True)
class Petals(ForwardingScheme):
    """PETALS' placement, its pool of cache, and its client's `min_latency` routing.

    Its clients choose paths by the times between servers, whether hops are `direct` or go over the `hub`. A job's time
    on its path depends on that choice.

    A hop costs half a round trip between servers, an overhead, and one decoding step of the blocks that it runs. A
    server without room for all of its blocks adds a penalty. The quantities that PETALS measures are taken from the
    system model, without noise. PETALS' clients know the numbers of free slots as they were up to 60 s ago, and for a
    while they avoid servers that refused them. `refresh_s` = 0 replaces both: clients know the exact numbers, so no
    server needs to be avoided.

    The other fields name what the authors' simulator does, and default to what PETALS does:

    - `occupancy`: the jobs that clients see at a server (`system.routing.Routing`).
    - `penalty`: when a server lacks room. `free_slots`: its free slots are fewer than its blocks. `sessions`: as many
      jobs are listed there as may run all of its blocks at once, even if they run fewer.
    - `hop_time`: the time of a block in the cost of a hop. `decode_step` is that of a token. `mean_token` is that of
      the mean job over its output tokens, in which the prompt counts, too.
    - `initial_delay_s`: the time before a job's first hop, for estimated ends only. It is not part of the service time,
      so it is 0 by default.
    """

    placement: PetalsPlacement
    waiting: Waiting = "backoff"
    refresh_s: float = 0.0
    hop_overhead_s: float = 0.018
    no_cache_penalty_s: float = 10.0
    occupancy: Occupancy = "present"
    penalty: str = "free_slots"
    hop_time: str = "decode_step"
    initial_delay_s: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative(hop_overhead_s=self.hop_overhead_s, no_cache_penalty_s=self.no_cache_penalty_s)
        require_not_negative(refresh_s=self.refresh_s, initial_delay_s=self.initial_delay_s)
        require_one_of(WAITING, waiting=self.waiting)
        require_one_of(OCCUPANCIES, occupancy=self.occupancy)
        require_one_of(PENALTIES, penalty=self.penalty)
        require_one_of(HOP_TIMES, hop_time=self.hop_time)
        require_at_most(DELAY_S, hop_overhead_s=self.hop_overhead_s)

    def compose(self, system: System, rng: np.random.Generator) -> RoutedComposition:
        """Return the placement with the graph of hops and the routing rule.

        Raises `NotApplicableError` if the network does not know the times between servers.
        """
        system = self.forwarded(system)
        placement, slots = self.placement(system, 1, rng), self.placement.slots(system)
        links = legal_links(placement, slots, system.model.block_count)
        to_client_s, to_server_s = _one_way_s(system.servers)
        exit_s = exits_s(system, placement, to_client_s)
        cost_s = self._cost_s(system, links, to_server_s)
        routing = self._routing(self.placement.cached_tokens // system.model.cache_tokens)
        return RoutedComposition(system, placement, slots, links, cost_s, exit_s, routing)

    def _cost_s(self, system: System, links: Links, to_server_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the cost of each hop; messages travel from server to server."""
        source, target, blocks = links
        block_s = system.servers.block_s[:, 2]
        if self.hop_time == "mean_token":
            block_s = system.block_s / (system.mean_job[2] + 1)
        return to_server_s[source, target] + self.hop_overhead_s + block_s[target] * blocks

    def _routing(self, sessions: int) -> Routing:
        """Return the rule, for cache of `sessions` jobs on all blocks of a server."""
        delay, settings = no_cache_penalty, [self.no_cache_penalty_s]
        if self.penalty == "sessions":
            delay, settings = full_sessions_penalty, [self.no_cache_penalty_s, sessions]
        return Routing(
            delay,
            self.waiting,
            self.refresh_s,
            np.array(settings),
            self.occupancy,
            self.initial_delay_s,
            delay_is_wait=False,
        )


def _one_way_s(servers: Servers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return half the round-trip times from the client and from every node.

    The first are (J,). The second are (J + 1, J): one row for each server, and the last row for the client. Raises
    `NotApplicableError` if the network does not know the times between servers.
    """
    if servers.orchestrator_rtt_s is None or servers.rtt_s is None:
        raise NotApplicableError(
            "algorithm = petals: needs the round-trip times between servers, which this network does not know; "
            "use network=ripe_synthetic or network=european"
        )
    return servers.orchestrator_rtt_s / 2, np.vstack([servers.rtt_s, servers.orchestrator_rtt_s]) / 2
