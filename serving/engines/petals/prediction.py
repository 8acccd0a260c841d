"""What this project predicts for the jobs of a swarm, from times that were measured with one job at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from algorithms.routing.links import RoutedComposition
from evaluators.simulation import simulate_layout
from serving.engines.petals.profile import AloneTimes
from serving.engines.petals.spans import Span
from system import Placement, ServedModel, Servers, System
from system.response import JobTimes
from system.service.independent import INDEPENDENT
from system.service.steps import Steps
from workloads.jobs import Jobs

GB = 1.0  # of every server; the pools of cache are given, so that memory decides nothing


@dataclass(frozen=True)
class GivenPlacement(PetalsPlacement):
    """The blocks and the pools that servers have, whatever PETALS would choose."""

    spans: Sequence[Span] = ()

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator) -> Placement:
        """Return the given placement."""
        return Placement(np.array([span.first for span in self.spans]), np.array([span.blocks for span in self.spans]))

    def slots(self, system: System) -> NDArray[np.int64]:
        """Return (J,) the cache slots in the pools, each of the model's `cache_tokens`."""
        tokens = system.model.cache_tokens
        return np.array([span.blocks * span.cache_tokens // tokens for span in self.spans])


def layout_of(
    spans: Sequence[Span], alone: AloneTimes, jobs: Jobs, reserved_tokens: int, visits_queue: bool = False
) -> RoutedComposition:
    """Return the layout under PETALS' rules for paths and waiting.

    A slot has the tokens that each job reserves. A visit's overhead counts as communication, which delays its own job
    only, or with `visits_queue` as computation, for which a server takes one job at a time.
    """
    blocks = max(span.end for span in spans)
    count = len(spans)
    slots = np.array([span.blocks * span.cache_tokens // reserved_tokens for span in spans])
    most = int(slots.max()) + blocks
    model = ServedModel("swarm", blocks, GB / (2 * most), GB / (2 * most), reserved_tokens, 1.0, 1.0)
    communication_s = np.tile(alone.client_s / _hops(spans), (count, 1))
    block_s = np.tile(alone.block_s, (count, 1))
    if visits_queue:
        block_s = block_s + alone.visit_s / np.array([[span.blocks] for span in spans])
    else:
        communication_s = communication_s + alone.visit_s
    servers = Servers(
        np.full(count, GB),
        communication_s,
        block_s,
        names=tuple(span.name for span in spans),
        orchestrator_rtt_s=np.zeros(count),
        rtt_s=np.zeros((count, count)),
    )
    rate_per_s = (len(jobs) - 1) / float(jobs.arrival_s[-1] - jobs.arrival_s[0])
    mean_job = (1.0, *jobs.lengths.mean(axis=0).tolist())
    system = System(model, servers, rate_per_s, mean_job)
    return Petals(GivenPlacement(spans=tuple(spans))).compose(system, np.random.default_rng(0))


def predictions(spans: Sequence[Span], alone: AloneTimes, jobs: Jobs, reserved_tokens: int) -> Mapping[str, JobTimes]:
    """Return the times of jobs under three service models.

    All have PETALS' paths, pools and retries. The models are equation (2), queues of steps for the blocks, and queues
    of steps for whole visits.
    """
    plain = layout_of(spans, alone, jobs, reserved_tokens)
    whole = layout_of(spans, alone, jobs, reserved_tokens, visits_queue=True)
    return {
        "equation (2)": simulate_layout(plain, jobs, INDEPENDENT).times,
        "step queues": simulate_layout(plain, jobs, Steps()).times,
        "queues of visits": simulate_layout(whole, jobs, Steps()).times,
    }


def _hops(spans: Sequence[Span]) -> int:
    """Return the number of servers on the shortest path through all blocks."""
    done, hops, last = 0, 0, max(span.end for span in spans)
    while done < last:
        done, hops = max(span.end for span in spans if span.first <= done), hops + 1
    return hops
