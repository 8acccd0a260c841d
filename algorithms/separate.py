"""Separate pipelines: each type of server hosts the model by itself, as in the comparison of Helix (ASPLOS 2025)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.reservation import reserving_block_count
from system import Composition, InfeasibleError, Placement, System
from system.dispatch import Dispatch
from system.system import Forwarding

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Separate:
    """Pipelines of equal servers: GCA forms the chains, the policy dispatches the jobs.

    Helix forms one pipeline of each type. Here there are as many as fit, and every server keeps the memory of a job's
    cache and respects its cap: in Helix's own layouts, T4s host up to 7 blocks of LLaMA-2-70B, which do not fit.
    """

    dispatch: Dispatch = JFFC
    forwarding: Forwarding = "direct"

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the chains of the separate pipelines under the policy; nothing is random."""
        system = replace(system, forwarding=self.forwarding)
        return gca(system, separate_placement(system)).under(self.dispatch)


def separate_placement(system: System) -> Placement:
    """Return the placement of as many pipelines of each type as fit.

    Servers of a type that cannot host the model together stay idle. Raises `InfeasibleError` if no type can host it.
    """
    blocks = system.model.block_count
    first_block, block_count = np.zeros((2, len(system.servers)), np.int64)
    for members, most in types_of(system):
        pipeline_count = members.size // -(-blocks // most) if most else 0
        for pipeline in np.array_split(members, pipeline_count) if pipeline_count else ():
            block_count[pipeline] = equal_shares(blocks, pipeline.size)
            first_block[pipeline] = np.cumsum(block_count[pipeline]) - block_count[pipeline]
    if not block_count.any():
        raise InfeasibleError(
            f"no type of server can host the {blocks} blocks of {system.model.name} by itself; "
            "add servers of a type or mix types, as other schemes do"
        )
    return Placement(first_block, block_count)


def equal_shares(blocks: int, servers: int) -> Ints:
    """Return (servers,) the blocks of each server; the last ones host one more where they must."""
    return blocks // servers + (np.arange(servers) >= servers - blocks % servers)


def types_of(system: System) -> Iterator[tuple[Ints, int]]:
    """Yield the servers of each type and the most blocks that one of them can host.

    Servers are of one type if their memory, speed and caps are equal. Beside its blocks, a server keeps the memory of
    one job's cache for them.
    """
    most = reserving_block_count(system, 1)
    kinds = np.column_stack([system.servers.memory_gb, system.servers.block_s, most])
    _, kind = np.unique(kinds, axis=0, return_inverse=True)
    for number in range(kind.max() + 1):
        members = np.flatnonzero(kind.ravel() == number)
        yield members, int(most[members[0]])
