"""An inventory as objects: the available servers, the model, the requests, and the goal."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.inventory.goals import Goal
from planner.inventory.services import NamedService
from system import ServedModel, Servers, System
from workloads.workload import Workload


@dataclass(frozen=True)
class Inventory:
    """Everything that a plan follows from.

    Servers of one group are identical except for their names.
    """

    model: ServedModel
    derivation: tuple[str, ...]  # how block and cache sizes follow from the model, lines for people
    servers: Servers  # J, with unique names
    gpus: tuple[str, ...]  # (J,) name of the profile, or "own numbers"
    groups: NDArray[np.int64]  # (J,) index of the entry that describes the server
    cost_per_hour: NDArray[np.float64] | None  # (J,); None if the file gives no cost
    workload: Workload
    rate_per_s: float | None  # None where the goal is to find it, `LargestRate`
    goal: Goal
    service: NamedService = field(default_factory=NamedService)

    def system(self, rate_per_s: float) -> System:
        """Return all servers of the inventory at an arrival rate."""
        return System(self.model, self.servers, rate_per_s, self.workload.mean_job)

    def only(self, members: NDArray[np.int64]) -> "Inventory":
        """Return the inventory with only some of its servers, given by index."""
        servers, cost = self.servers, self.cost_per_hour
        orchestrator_rtt_s, rtt_s = servers.orchestrator_rtt_s, servers.rtt_s
        kept = Servers(
            servers.memory_gb[members],
            servers.communication_s[members],
            servers.block_s[members],
            tuple(servers.name(j) for j in members),
            None if orchestrator_rtt_s is None else orchestrator_rtt_s[members],
            None if rtt_s is None else rtt_s[np.ix_(members, members)],
            batch_curves=tuple(servers.batch_curves[j] for j in members) if servers.batch_curves else (),
            gpu_memory_gb=servers.gpu_memory_gb[members],
            gpu_tflops=servers.gpu_tflops[members],
        )
        return replace(
            self,
            servers=kept,
            gpus=tuple(self.gpus[j] for j in members),
            groups=self.groups[members],
            cost_per_hour=None if cost is None else cost[members],
        )
