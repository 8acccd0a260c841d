"""A block placement: which consecutive blocks each server hosts (a, m of the paper's Sec. 2.1)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from system.checks import SLACK, floor_with_slack, whole_vector
from system.errors import InfeasibleError, InputError
from system.system import System


@dataclass(frozen=True)
class Placement:
    """Server j hosts blocks `first_block[j] .. first_block[j] + block_count[j] - 1`, counted from 0; none if 0 blocks.

    Placements that reserve cache for disjoint chains (GBP-CR) also say how many jobs each can hold and its
    mean service time, in the order in which the chains were formed.
    """

    first_block: NDArray[np.int64]  # (J,), a_j - 1
    block_count: NDArray[np.int64]  # (J,), m_j
    reserved_capacity: int = 0  # c
    reserved_chain_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_block", whole_vector("first_block", self.first_block))
        object.__setattr__(self, "block_count", whole_vector("block_count", self.block_count))

    @property
    def end_block(self) -> NDArray[np.int64]:
        """(J,) the first block after those hosted: what a job needs next once it has passed server j."""
        return self.first_block + self.block_count

    def cache_slots(self, system: System) -> NDArray[np.int64]:
        """(J,) M̃_j: how many (job, block) caches fit beside the hosted blocks."""
        model = system.model
        free_gb = system.servers.memory_gb - model.block_memory_gb * self.block_count
        slots = floor_with_slack(np.maximum(free_gb, 0.0) / model.cache_memory_gb)
        return np.where(self.block_count > 0, slots, 0)

    def check(self, system: System) -> None:
        """Raise unless there is a range for each server, inside the model, that fits its memory (1)."""
        servers, model = system.servers, system.model
        for name, values in (("first_block", self.first_block), ("block_count", self.block_count)):
            if values.size != len(servers):
                raise InputError(f"{name} has {values.size} entries: give one for each of {len(servers)} servers")
        outside = np.flatnonzero(self.end_block > model.block_count)
        if outside.size:
            j = int(outside[0])
            raise InfeasibleError(
                f"{servers.name(j)} would host blocks {self.first_block[j]} to {self.end_block[j] - 1}, "
                f"but {model.name} ends at block {model.block_count - 1}: "
                f"host {self.end_block[j] - model.block_count} fewer"
            )
        needed_gb = model.block_memory_gb * self.block_count
        over = np.flatnonzero(needed_gb > servers.memory_gb * (1 + SLACK))
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"{servers.name(j)} has {servers.memory_gb[j]:g} GB but its {self.block_count[j]} blocks need "
                f"{needed_gb[j]:g} GB: {needed_gb[j] - servers.memory_gb[j]:.3g} GB are missing"
            )
