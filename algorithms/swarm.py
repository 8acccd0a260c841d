"""SWARM parallelism (Ryabinin et al., ICML 2023), as the comparison of Helix (ASPLOS 2025) uses it for serving.

The model is cut into equal stages, and servers are dealt out to them so that all stages get about the same throughput.
A request picks a server of each next stage by its priority. The priority of a server grows with each request by the
moving average of the time that requests take there, and the server with the least is next (App. C of SWARM).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.forwarding import ForwardingScheme
from algorithms.placement.reservation import reserving_block_count
from algorithms.routing.links import RoutedComposition
from algorithms.routing.weighted import weighted_routes
from system import Composition, InfeasibleError, Placement, System
from system.checks import require_count
from system.dispatch import Dispatch
from system.limits import SMALLEST
from system.routing import FlowRouting
from system.system import Forwarding
from system.token_flow import tokens_per_s

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Swarm(ForwardingScheme):
    """Equal stages with equal throughputs; requests go from stage to stage by the priorities of servers.

    `stages` is a number that divides the blocks; None takes the fewest for which every server can host a stage. Servers
    that cannot host a stage stay idle. `dispatch` None is SWARM's own rule; with a policy, GCA forms chains instead.

    In SWARM a priority grows by a moving average of measured times. Here it grows by the value that the average has
    without queues: the time of a request's prompt on the way to the server and in its blocks.
    """

    stages: int | None = None
    dispatch: Dispatch | None = None
    forwarding: Forwarding = field(default="direct", kw_only=True)

    def __post_init__(self) -> None:
        if self.stages is not None:
            require_count(stages=self.stages)

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch is None or self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition | RoutedComposition:
        """Return the stages with SWARM's rule or as chains; nothing is random."""
        system = self.forwarded(system)
        placement = swarm_placement(system, self.stages)
        if self.dispatch is not None:
            return gca(system, placement).under(self.dispatch)
        weights = 1 / prompt_s(system, placement)
        return weighted_routes(system, placement, FlowRouting(weights, high_water=1.0, least_share=0.0))


def swarm_placement(system: System, stages: int | None) -> Placement:
    """Return the stages that servers join, the fastest first.

    Each joins where the throughput is least.

    Raises `InfeasibleError` if `stages` does not divide the blocks, or if fewer servers than stages can host one.
    """
    blocks, most = system.model.block_count, reserving_block_count(system, 1)
    count = fewest_stages(blocks, most) if stages is None else stages
    if blocks % count:
        raise InfeasibleError(f"stages = {count}: does not divide the {blocks} blocks of {system.model.name}")
    length = blocks // count
    able = np.flatnonzero(most >= length)
    if able.size < count:
        raise InfeasibleError(
            f"stages = {count}: the number of servers that can host the {length} blocks of a stage is {able.size}, "
            "which is too few; change the number of stages or add servers"
        )
    throughput = stage_throughput(system, length)
    placement, carried = Placement(*np.zeros((2, most.size), np.int64)), np.zeros(count)
    for j in sorted(able.tolist(), key=lambda j: (throughput[j], j), reverse=True):
        stage = int(carried.argmin())
        placement.first_block[j], placement.block_count[j] = stage * length, length
        carried[stage] += throughput[j]
    return placement


def fewest_stages(blocks: int, most: Ints) -> int:
    """Return the least number of equal stages that fit all servers.

    It divides `blocks`; servers without room for a block do not count.
    """
    smallest = int(most[most > 0].min(initial=blocks))
    return next(count for count in range(1, blocks + 1) if blocks % count == 0 and blocks // count <= smallest)


def stage_throughput(system: System, length: int) -> Floats:
    """Return (J,) the tokens/s of each server with a stage.

    Where jobs have no lengths, they are jobs/s.
    """
    if system.mean_job[1] == 0:
        return 1 / (system.block_s * length)
    return tokens_per_s(system)[:, length]


def prompt_s(system: System, placement: Placement) -> Floats:
    """Return the times of a prompt by node and server.

    They are (J + 1, J + 1), those of a mean prompt on its way and in the blocks of the server.

    The last row is the orchestrator; the last column, the way back, is not used.
    """
    servers, prompt = system.servers, np.array([*system.mean_job[:2], 0.0])
    compute_s = servers.block_s @ prompt * placement.block_count
    visit_s = servers.communication_s @ prompt
    way_s = np.tile(visit_s, (len(servers) + 1, 1))
    if system.forwarding == "direct":
        way_s[:-1] = servers.all_crossing_coefficients_s() @ prompt
        way_s[-1] = visit_s / 2
    times_s = np.ones((len(servers) + 1,) * 2)
    times_s[:, :-1] = np.maximum(way_s + compute_s, SMALLEST)
    return times_s
