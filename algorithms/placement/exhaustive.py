"""The optimum of the placement problem (7) by plain enumeration, for a few servers."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from algorithms.placement.reservation import form_best_chains, reserving_block_count, visit_s
from system import NotApplicableError, Placement, System
from system.checks import SLACK
from system.random_streams import deterministic

MOST_SERVERS = 9  # 9 servers form chains in up to 115,974 ways, 10 servers in up to 678,569
Chains = tuple[tuple[int, ...], ...]


@deterministic
def exhaustive(system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
    """Return the fewest disjoint chains of c jobs each that reach λ/ρ̄.

    Of several such sets of chains, it is the one with the largest rate. The search visits every set of disjoint sets of
    servers that host the whole model. Raises `InfeasibleError` if none of them reaches the rate, and
    `NotApplicableError` if there are too many servers to visit all sets, or if hops are direct, because the time of a
    chain then depends on the order of its servers.
    """
    system.require_hub("placement = exhaustive", "use forwarding=hub or placement=gbp_cr")
    if len(system.servers) > MOST_SERVERS:
        raise NotApplicableError(
            f"placement = exhaustive: {len(system.servers)} servers can form too many sets of chains to try them all; "
            f"use at most {MOST_SERVERS} servers, or another placement"
        )
    block_count = reserving_block_count(system, reserved_capacity).tolist()
    time_s = visit_s(system, reserved_capacity).tolist()
    enough_per_s = system.required_rate_per_s / reserved_capacity * (1 - SLACK)

    def rate_per_s(chains: Chains) -> float:
        return sum(1 / sum(time_s[j] for j in chain) for chain in chains)

    candidates = _disjoint_chains(tuple(range(len(block_count))), block_count, system.model.block_count)
    sufficient = (chains for chains in candidates if rate_per_s(chains) >= enough_per_s)
    best = min(sufficient, key=lambda chains: (len(chains), -rate_per_s(chains)), default=())
    return form_best_chains(system, reserved_capacity, best)


def _disjoint_chains(servers: tuple[int, ...], block_count: Sequence[int], model_blocks: int) -> Iterator[Chains]:
    """Yield every set of disjoint sets of these servers that host the whole model.

    The first server is in none of them, or in one of them with some others; the rest follows by recursion.
    """
    if not servers:
        yield ()
        return
    first, others = servers[0], servers[1:]
    yield from _disjoint_chains(others, block_count, model_blocks)
    for size in range(len(servers)):
        for mates in combinations(others, size):
            if block_count[first] + sum(block_count[j] for j in mates) >= model_blocks:
                remaining = tuple(j for j in others if j not in mates)
                for chains in _disjoint_chains(remaining, block_count, model_blocks):
                    yield ((first, *mates), *chains)
