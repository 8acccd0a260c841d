"""An inventory as objects: the available servers, the model, the requests, and the goal."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.listed.devices import Device, device_blocks, plain_name, without_ends
from planner.inventory.engines import ANY, Engine
from planner.inventory.goals import Goal
from planner.inventory.requests import Users
from planner.inventory.services import NamedService
from system import ServedModel, Servers, System
from system.system import Forwarding
from workloads.workload import Workload


@dataclass(frozen=True)
class Inventory:
    """Everything that a plan follows from.

    Servers of one group are identical except for their names.
    """

    model: ServedModel
    family: str  # of the decoder, a key of `FAMILIES`
    weights: str  # precision of the model's weights
    cache: str  # precision of its cache
    derivation: tuple[str, ...]  # how block and cache sizes follow from the model, lines for people
    servers: Servers  # J, with unique names
    gpus: tuple[str, ...]  # (J,) name of the profile, or "own numbers"
    groups: NDArray[np.int64]  # (J,) index of the entry that describes the server
    cost_per_hour: NDArray[np.float64] | None  # (J,); None if the file gives no cost
    workload: Workload
    rate_per_s: float | None  # None with users, and where the goal is to find it, `LargestRate`
    goal: Goal
    engine: Engine = ANY
    service: NamedService = field(default_factory=NamedService)
    forwarding: Forwarding = "hub"
    spread: NDArray[np.float64] | None = None  # (J, 2) nine in ten measured block times, relative to the servers' own
    devices: tuple[tuple[Device, ...], ...] = ()  # (J,) devices inside each server, () for one GPU; () if none has any
    users: Users | None = None  # instead of a rate

    def system(self, rate_per_s: float) -> System:
        """Return all servers of the inventory at an arrival rate."""
        return System(self.model, self.servers, rate_per_s, self.workload.mean_job, forwarding=self.forwarding)

    @property
    def device_counts(self) -> NDArray[np.int64]:
        """Return (J,) numbers of devices inside the servers."""
        inside = self.devices or ((),) * len(self.servers)
        return np.array([max(len(own), 1) for own in inside])

    def device_names(self, j: int) -> list[str]:
        """Return the names of a server's devices; one for GPUs that share each block."""
        inside = self.devices[j] if self.devices else ()
        return [plain_name(device) for device in inside] or [self.gpus[j]]

    def blocks_by_device(self, j: int, blocks: int, jobs: float = 1, ends_gb: float = 0.0) -> list[tuple[str, int]]:
        """Return the devices of server j with how many of its blocks lie there.

        Each block has the caches of some jobs beside it, on average. `ends_gb` of embedding and head take memory of the
        last device. A server with one GPU has no devices.
        """
        devices = self.devices[j] if self.devices else ()
        held = device_blocks(without_ends(devices, ends_gb), blocks, self.model, jobs)
        return [(device.name, count) for device, count in zip(devices, held, strict=True)]

    def only(self, members: NDArray[np.int64]) -> "Inventory":
        """Return the inventory with only some of its servers, given by index."""
        cost = self.cost_per_hour
        return replace(
            self,
            servers=self.servers.only(members),
            gpus=tuple(self.gpus[j] for j in members),
            groups=self.groups[members],
            devices=tuple(self.devices[j] for j in members) if self.devices else (),
            cost_per_hour=None if cost is None else cost[members],
            spread=None if self.spread is None else self.spread[members],
        )
