"""Separate pipelines: each type of server hosts the model by itself, as in the comparison of Helix (ASPLOS 2025)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import JFFC
from algorithms.forwarding import ForwardingScheme
from algorithms.placement.reservation import reserving_block_count
from system import Composition, InfeasibleError, Placement, System
from system.dispatch import Dispatch
from system.system import Forwarding

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Separate(ForwardingScheme):
    """Pipelines of equal servers; each is a chain, to which the policy dispatches the jobs.

    Helix forms one pipeline of each type. Here there are as many as fit, and every server keeps the memory of a job's
    cache and respects its cap: in Helix's own layouts, T4s host up to 7 blocks of LLaMA-2-70B, which do not fit.
    """

    dispatch: Dispatch = JFFC
    forwarding: Forwarding = field(default="direct", kw_only=True)

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the pipelines as chains under the policy; nothing is random."""
        return separate(self.forwarded(system)).under(self.dispatch)


def separate(system: System) -> Composition:
    """Return the pipelines of all types as chains.

    The servers of a pipeline have equal shares of the blocks. Raises `InfeasibleError` if no type of server can host
    the model by itself.
    """
    blocks, all_pipelines = system.model.block_count, list(pipelines(system))
    if not all_pipelines:
        raise InfeasibleError(
            f"no type of server can host the {blocks} blocks of {system.model.name} by itself; "
            "add servers of a type or mix types, as other schemes do"
        )
    server = np.concatenate(all_pipelines)
    start = np.cumsum([0, *map(len, all_pipelines)])
    first_block, block_count = np.zeros((2, len(system.servers)), np.int64)
    for pipeline in all_pipelines:
        block_count[pipeline] = equal_shares(blocks, pipeline.size)
        first_block[pipeline] = np.cumsum(block_count[pipeline]) - block_count[pipeline]
    placement = Placement(first_block, block_count)
    jobs = placement.cache_slots(system)[server] // block_count[server]
    capacity = np.minimum.reduceat(jobs, start[:-1])
    return Composition.of_hops(system, placement, server, block_count[server], start, capacity)


def pipelines(system: System) -> Iterator[Ints]:
    """Yield the servers of each pipeline.

    There are as many pipelines of each type as fit, and they share all servers of the type. A pipeline has no more
    servers than the model has blocks.
    """
    blocks = system.model.block_count
    for members, most in types_of(system):
        count = members.size // -(-blocks // most) if most else 0
        yield from (pipeline[:blocks] for pipeline in (np.array_split(members, count) if count else ()))


def types_of(system: System) -> Iterator[tuple[Ints, int]]:
    """Yield the servers of each type and the most blocks of one.

    Servers are of one type if their memory, speed and caps are equal. Beside its blocks, a server keeps the memory of
    one job's cache for them.
    """
    most = reserving_block_count(system, 1)
    kinds = np.column_stack([system.servers.memory_gb, system.servers.block_s, most])
    _, kind = np.unique(kinds, axis=0, return_inverse=True)
    for number in range(kind.max() + 1):
        members = np.flatnonzero(kind.ravel() == number)
        yield members, int(most[members[0]])


def equal_shares(blocks: int, servers: int) -> Ints:
    """Return (servers,) the blocks of each, more on the last ones."""
    return blocks // servers + (np.arange(servers) >= servers - blocks % servers)
