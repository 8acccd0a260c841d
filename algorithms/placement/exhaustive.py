"""The optimum of the placement problem (7) by plain enumeration, for a handful of servers."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from algorithms.placement.reservation import form_best_chains, reserving_block_count, visit_s
from system import NotApplicableError, Placement, System
from system.checks import SLACK

MOST_SERVERS = 9  # they form chains in up to 115,974 ways, ten in up to 678,569
Chains = tuple[tuple[int, ...], ...]


def exhaustive(system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
    """The fewest disjoint chains of c jobs each that reach λ/ρ̄, and of those the ones with the largest rate.

    Looks at every set of disjoint sets of servers that host the whole model. Raises `InfeasibleError` if none of them
    reaches the rate and `NotApplicableError` where there are too many servers to look at all.
    """
    if len(system.servers) > MOST_SERVERS:
        raise NotApplicableError(
            f"placement = exhaustive: {len(system.servers)} servers can form too many chains to look at all; "
            f"use at most {MOST_SERVERS} servers, or another placement"
        )
    block_count = reserving_block_count(system, reserved_capacity).tolist()
    time_s = visit_s(system, reserved_capacity).tolist()
    enough_per_s = system.required_rate_per_s / reserved_capacity * (1 - SLACK)

    def rate_per_s(chains: Chains) -> float:
        return sum(1 / sum(time_s[j] for j in chain) for chain in chains)

    every = _disjoint_chains(tuple(range(len(block_count))), block_count, system.model.block_count)
    reaching = (chains for chains in every if rate_per_s(chains) >= enough_per_s)
    best = min(reaching, key=lambda chains: (len(chains), -rate_per_s(chains)), default=())
    return form_best_chains(system, reserved_capacity, best)


def _disjoint_chains(servers: tuple[int, ...], block_count: Sequence[int], model_blocks: int) -> Iterator[Chains]:
    """Every set of disjoint sets of these servers that host the whole model: the first server is in none, or in one."""
    if not servers:
        yield ()
        return
    first, others = servers[0], servers[1:]
    yield from _disjoint_chains(others, block_count, model_blocks)
    for size in range(len(servers)):
        for mates in combinations(others, size):
            if block_count[first] + sum(block_count[j] for j in mates) >= model_blocks:
                left = tuple(j for j in others if j not in mates)
                for more in _disjoint_chains(left, block_count, model_blocks):
                    yield ((first, *mates), *more)
