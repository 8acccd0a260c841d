"""Block placements: the consecutive blocks that each server hosts (a and m of the paper's Sec. 2.1)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from system.checks import SLACK, floor_with_slack, require, whole_vector
from system.errors import InfeasibleError, InputError
from system.system import System


@dataclass(frozen=True)
class Placement:
    """The range of blocks that each server hosts, and the chains for which cache is reserved.

    Server j hosts the blocks `first_block[j] .. first_block[j] + block_count[j] - 1`, counted from 0, or none if
    `block_count[j]` is 0. Placements that reserve cache for disjoint chains (GBP-CR) also have the capacity of each
    chain, `reserved_capacity`, and the chain of each server, `reserved_chain`. Chains are numbered in the order in
    which they were formed; a server in no chain has -1.
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
        """Return (J,) the first block after the hosted range of each server.

        It is the block that a job needs next once it has passed server j.
        """
        return self.first_block + self.block_count

    @property
    def reserved_chain_count(self) -> int:
        """Return K, the number of chains for which cache is reserved."""
        return int(self.reserved_chain.max(initial=-1)) + 1

    @property
    def reserved_job_servers(self) -> int:
        """Return c K, the job servers for which cache is reserved."""
        return self.reserved_capacity * self.reserved_chain_count

    def reserved_hops(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the servers of all reserved chains and the start of each chain.

        The servers (hops,) are listed chain after chain; the starts are (K + 1,). Within a chain, servers are sorted by
        the last block that they host, because the range of the last server may begin before those of others.
        """
        members = np.flatnonzero(self.reserved_chain >= 0)
        order = np.lexsort((self.end_block[members], self.reserved_chain[members]))
        sizes = np.bincount(self.reserved_chain[members])
        return members[order], np.concatenate([[0], np.cumsum(sizes)])

    def reserved_chain_s(self, system: System) -> NDArray[np.float64]:
        """Return (K,) the time Σ t_j(c) of each reserved chain (Alg. 1).

        The sum is over the chain's servers, as if each ran all the blocks that it hosts.
        """
        server, start = self.reserved_hops()
        visit_s = (system.communication_s + system.block_s * self.block_count)[server]
        return np.bincount(np.repeat(np.arange(start.size - 1), np.diff(start)), visit_s).astype(np.float64)

    def cache_slots(self, system: System) -> NDArray[np.int64]:
        """Return (J,) M̃_j, the cache slots that fit beside the hosted blocks.

        A cache slot is the memory of one job's cache for one block.
        """
        model = system.model
        free_gb = system.servers.memory_gb - model.block_memory_gb * self.block_count
        slots = floor_with_slack(np.maximum(free_gb, 0.0) / model.cache_memory_gb)
        return np.where(self.block_count > 0, slots, 0)

    def check(self, system: System) -> None:
        """Raise `InfeasibleError` unless the placement satisfies (1).

        Every range must lie in the model, fit its server's memory and respect the server's `most_blocks`. Arrays of
        the wrong length raise `InputError`.
        """
        servers, model = system.servers, system.model
        for name in ("first_block", "block_count", "reserved_chain"):
            values = getattr(self, name)
            if values.size != len(servers):
                raise InputError(
                    f"{name} = array of shape {values.shape}: give one entry for each of {len(servers)} servers"
                )
        outside = np.flatnonzero(self.end_block > model.block_count)
        if outside.size:
            j = int(outside[0])
            raise InfeasibleError(
                f"{servers.name(j)} would host blocks {self.first_block[j]} to {self.end_block[j] - 1}, "
                f"but {model.name} ends at block {model.block_count - 1}: "
                f"host {self.end_block[j] - model.block_count} fewer"
            )
        excess = self.block_count - servers.capped(self.block_count)
        if excess.any():
            j = int(excess.argmax())
            raise InfeasibleError(
                f"{servers.name(j)} would host {self.block_count[j]} blocks, but may host at most "
                f"{self.block_count[j] - excess[j]}: host {excess[j]} fewer"
            )
        needed_gb = model.block_memory_gb * self.block_count
        over = np.flatnonzero(needed_gb > servers.memory_gb * (1 + SLACK))
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"{servers.name(j)} has {servers.memory_gb[j]:g} GB but its {self.block_count[j]} blocks need "
                f"{needed_gb[j]:g} GB: {needed_gb[j] - servers.memory_gb[j]:.3g} GB are missing"
            )

    def why_no_chain(self, system: System) -> str:
        """Return why there is no chain: missing blocks or too few cache slots."""
        model, hosts = system.model, self.block_count > 0
        hosted = np.zeros(model.block_count + 1, dtype=np.int64)
        np.add.at(hosted, self.first_block[hosts], 1)
        np.add.at(hosted, self.end_block[hosts], -1)
        uncovered = np.flatnonzero(np.cumsum(hosted)[:-1] == 0)
        if uncovered.size == 0:
            return (
                "no chain: every block is hosted, but no path through all of them has a free cache slot; "
                "host fewer blocks"
            )
        total_gb, needed_gb = system.servers.memory_gb.sum(), model.block_count * model.block_memory_gb
        return (
            f"no chain: no server hosts {uncovered.size} of {model.block_count} blocks, the first of them block "
            f"{uncovered[0]} (the servers have {total_gb:g} GB of memory in all, the blocks alone need "
            f"{needed_gb:g} GB); add servers or reserve less cache"
        )
