"""BPRR: placement by CG-BP for R sessions, and routing by WS-RR (Sun et al., Performance Evaluation 2025)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from algorithms.forwarding import ForwardingScheme
from algorithms.placement.cg_bp import CgBp
from algorithms.routing.links import RoutedComposition, exits_s, hop_times_s, legal_links
from algorithms.routing.ws_rr import expected_wait, mean_over_present
from system import NotApplicableError, Placement, System
from system.checks import require_boolean, require_not_negative, require_one_of
from system.routing import OCCUPANCIES, WAITING, Occupancy, Routing, Waiting

SESSION_RULES = ("prior_paper", "published_code")
WAIT_ESTIMATES = ("order_statistic", "mean_over_present")


@dataclass(frozen=True)
class Bprr(ForwardingScheme):
    """BPRR with the number of sessions R chosen by its own rule.

    The number of jobs present at once is taken as Poisson distributed; R is its mean plus one standard deviation. The
    mean follows from the time of a single job. With `session_rule` `prior_paper` that is the time of the shortest path
    over the placement for R = 1. With `published_code` it is the rough guess of the paper's simulator, which counts the
    blocks of only one of two servers.

    The other fields name what the authors' simulator does, and default to what the prior paper says:

    - `wait_estimate`: the wait that a server adds to the time of a hop. `order_statistic` is the least remaining time
      after which there is room. `mean_over_present` is the mean time of a job on all blocks of the server, divided by
      the number of jobs listed there; it ignores how long these have run, and so is no default.
    - `occupancy`: the jobs that the router sees at a server (`system.routing.Routing`).
    - `initial_delay_s`: the time before a job's first hop, for the choice of R and for estimated ends. It is not part
      of the service time, so it is 0 by default.
    - `foreseen`: the router knows when a waiting job will really start, under `fcfs` and `planned`. No router can, so
      it is off by default.
    """

    deterministic: ClassVar[bool] = True

    session_rule: str = "prior_paper"
    waiting: Waiting = "fcfs"
    initial_delay_s: float = 0.0
    wait_estimate: str = "order_statistic"
    occupancy: Occupancy = "present"
    foreseen: bool = False

    def __post_init__(self) -> None:
        require_one_of(SESSION_RULES, session_rule=self.session_rule)
        require_one_of(WAIT_ESTIMATES, wait_estimate=self.wait_estimate)
        require_one_of(WAITING, waiting=self.waiting)
        require_one_of(OCCUPANCIES, occupancy=self.occupancy)
        require_not_negative(initial_delay_s=self.initial_delay_s)
        require_boolean(foreseen=self.foreseen)

    def compose(self, system: System, rng: np.random.Generator) -> RoutedComposition:
        """Return the placement for R sessions with the routing rule."""
        system = self.forwarded(system)
        return self._with_sessions(system, self.sessions(system))

    def sessions(self, system: System) -> int:
        """Return R, between 1 and the number of jobs that all memory could hold."""
        rule = self._prior_paper if self.session_rule == "prior_paper" else _published_code
        rounding_blocks = len(system.servers)  # rounding down to whole blocks costs each server up to one block
        return max(1, min(rule(system), system.pooled_jobs(system.model.block_count + rounding_blocks)))

    def _prior_paper(self, system: System) -> int:
        """Return R by the time of the shortest path for R = 1."""
        single_session = self._with_sessions(system, 1)
        present = system.arrival_rate_per_s * (_shortest_s(single_session) + self.initial_delay_s)
        return round(present + np.sqrt(present))

    def _with_sessions(self, system: System, sessions: int) -> RoutedComposition:
        placement = CgBp()(system, sessions)
        slots = placement.cache_slots(system)
        links = legal_links(placement, slots, system.model.block_count)
        exit_s = exits_s(system, placement, 0.0)
        cost_s = hop_times_s(system, links, np.isfinite(exit_s))
        return RoutedComposition(system, placement, slots, links, cost_s, exit_s, self._routing(system, placement))

    def _routing(self, system: System, placement: Placement) -> Routing:
        delay, settings = expected_wait, np.empty(0)
        if self.wait_estimate == "mean_over_present":
            delay, settings = mean_over_present, system.communication_s + system.block_s * placement.block_count
        return Routing(
            delay,
            self.waiting,
            settings=settings,
            occupancy=self.occupancy,
            initial_delay_s=self.initial_delay_s,
            foreseen=self.foreseen,
        )


def _shortest_s(composition: RoutedComposition) -> float:
    """Return the time of a job that finds the servers empty."""
    to_end_s = np.append(composition.exit_s, np.inf)
    for n, (source, target) in enumerate(zip(composition.links.source, composition.links.target, strict=True)):
        to_end_s[source] = min(to_end_s[source], composition.cost_s[n] + to_end_s[target])
    return float(to_end_s[-1])


def _published_code(system: System) -> int:
    """Return R as the published function `compute_R_eq19_v4` does.

    A job visits 2 or 3 servers, depending on the number of blocks. Block times are a mix of the fastest and the slowest
    server's, and only the blocks of one of the servers are counted.
    """
    blocks = system.model.block_count
    server_count = min(3, max(2, int(np.ceil(blocks / 50))))
    mixed_block_s = 0.7 * system.block_s.min() + 0.3 * system.block_s.max()
    system.require_hub("session_rule = published_code", "use session_rule=prior_paper or forwarding=hub")
    if system.servers.orchestrator_rtt_s is None:
        raise NotApplicableError(
            "session_rule = published_code: needs the round-trip times to the orchestrator; "
            "use session_rule=prior_paper or another network"
        )
    round_trips_s = system.servers.orchestrator_rtt_s.mean() * (system.mean_job[2] + 1)
    time_s = round_trips_s * server_count + mixed_block_s * blocks / server_count
    present = system.arrival_rate_per_s * time_s
    return int(np.ceil(present + np.sqrt(max(present, 1.0))))
