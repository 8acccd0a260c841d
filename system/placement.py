"""A block placement: which consecutive blocks each server hosts (a, m of the paper's Sec. 2.1)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from system.checks import SLACK, floor_with_slack, require, whole_vector
from system.errors import InfeasibleError, InputError
from system.system import System


@dataclass(frozen=True)
class Placement:
    """Server j hosts blocks `first_block[j] .. first_block[j] + block_count[j] - 1`, counted from 0; none if 0 blocks.

    Placements that reserve cache for disjoint chains (GBP-CR) also say how many jobs each can hold and which servers it
    is made of: chains are numbered in the order in which they were formed, -1 is for a server that is in none.
    """

    first_block: NDArray[np.int64]  # (J,), a_j - 1
    block_count: NDArray[np.int64]  # (J,), m_j
    reserved_capacity: int = 0  # c
    reserved_chain: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # (J,); empty: all -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_block", whole_vector("first_block", self.first_block))
        object.__setattr__(self, "block_count", whole_vector("block_count", self.block_count))
        given = self.reserved_chain if np.size(self.reserved_chain) else np.full(self.block_count.size, -1)
        chain = whole_vector("reserved_chain", given, minimum=-1)
        without_gaps = bool(np.bincount(chain + 1)[1:].all())
        require(without_gaps, "reserved_chain", chain, "must number the chains 0, 1, ... without gaps")
        object.__setattr__(self, "reserved_chain", chain)

    @property
    def end_block(self) -> NDArray[np.int64]:
        """(J,) the first block after those hosted: what a job needs next once it has passed server j."""
        return self.first_block + self.block_count

    def reserved_hops(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The servers of the reserved chains one after the other, (hops,), and where each chain's begin, (K + 1,).

        Within a chain servers follow each other by the last block that they host: the last one's range may begin
        before those of others.
        """
        members = np.flatnonzero(self.reserved_chain >= 0)
        order = np.lexsort((self.end_block[members], self.reserved_chain[members]))
        sizes = np.bincount(self.reserved_chain[members])
        return members[order], np.concatenate([[0], np.cumsum(sizes)])

    def reserved_chain_s(self, system: System) -> NDArray[np.float64]:
        """(K,) Σ t_j(c) of each reserved chain: its time if every server ran all the blocks that it hosts (Alg. 1)."""
        server, start = self.reserved_hops()
        visit_s = (system.communication_s + system.block_s * self.block_count)[server]
        return np.bincount(np.repeat(np.arange(start.size - 1), np.diff(start)), visit_s).astype(np.float64)

    def cache_slots(self, system: System) -> NDArray[np.int64]:
        """(J,) M̃_j: how many (job, block) caches fit beside the hosted blocks."""
        model = system.model
        free_gb = system.servers.memory_gb - model.block_memory_gb * self.block_count
        slots = floor_with_slack(np.maximum(free_gb, 0.0) / model.cache_memory_gb)
        return np.where(self.block_count > 0, slots, 0)

    def check(self, system: System) -> None:
        """Raise unless there is a range for each server, inside the model, that fits its memory (1)."""
        servers, model = system.servers, system.model
        for name in ("first_block", "block_count", "reserved_chain"):
            values = getattr(self, name)
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
