"""The least mean response time of any composition under any policy, by enumeration of all placements.

For a placement, `rates_per_s` is the largest rate at which n jobs can complete, n = 1, 2, ..., over all ways to divide
the cache slots among its chains. A policy that may interrupt and move jobs reaches exactly these rates, and no policy
has a higher one, so E[N]/λ of this birth-death process is the optimum over allocations and policies of the placement.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from system import Placement, System

Chain = tuple[tuple[int, ...], float]  # the blocks run at each server, and the rate


def least_response_s(system: System) -> float:
    """Return the optimum over all placements, perhaps infinite."""
    return min(
        (optimal_response_s(system.arrival_rate_per_s, rates_per_s(system, p)) for p in placements(system)),
        default=np.inf,
    )


def largest_rate_per_s(system: System) -> float:
    """Return the largest stable rate over all placements."""
    return max((rates_per_s(system, placement)[-1] for placement in placements(system)), default=0.0)


def placements(system: System) -> Iterator[Placement]:
    """Yield every placement of contiguous blocks that fits the memory."""
    blocks, block_gb = system.model.block_count, system.model.block_memory_gb
    every = [(a, m) for m in range(1, blocks + 1) for a in range(blocks - m + 1)]
    memory_gb = system.servers.memory_gb.tolist()
    ranges = [[(0, 0), *((a, m) for a, m in every if m * block_gb <= server_gb)] for server_gb in memory_gb]
    for chosen in product(*ranges):
        if all(any(a <= block < a + m for a, m in chosen) for block in range(blocks)):
            first, count = zip(*chosen, strict=True)
            yield Placement(np.array(first), np.array(count))


def chains(system: System, placement: Placement) -> list[Chain]:
    """Return every chain of servers that runs all blocks."""
    complete: list[Chain] = []
    _extend(system, placement, 0, [0] * len(system.servers), complete)
    return complete


def _extend(system: System, placement: Placement, done: int, blocks: list[int], complete: list[Chain]) -> None:
    """Add all chains that begin with these blocks on servers."""
    if done == system.model.block_count:
        visited = np.array(blocks) > 0
        time_s = float(visited @ system.communication_s + np.array(blocks) @ system.block_s)
        complete.append((tuple(blocks), 1 / time_s))
        return
    for j, (first, end) in enumerate(zip(placement.first_block.tolist(), placement.end_block.tolist(), strict=True)):
        if first <= done < end and not blocks[j]:
            _extend(system, placement, end, [*blocks[:j], end - done, *blocks[j + 1 :]], complete)


def rates_per_s(system: System, placement: Placement) -> np.ndarray:
    """Return the largest completion rates of 0, 1, ... jobs.

    The last holds for more jobs, too. It is a dynamic programme over the cache slots that are left at each server.
    """
    slots = placement.cache_slots(system)
    known = [chain for chain in chains(system, placement) if (np.array(chain[0]) <= slots).all()]
    best, rates = np.zeros(slots + 1), [0.0]
    while True:
        more = best.copy()
        for blocks, rate in known:
            after = tuple(slice(None, size + 1 - k) for size, k in zip(slots, blocks, strict=True))
            before = tuple(slice(k, None) for k in blocks)
            more[before] = np.maximum(more[before], best[after] + rate)
        if more[tuple(slots)] <= rates[-1]:
            return np.array(rates)
        rates.append(float(more[tuple(slots)]))
        best = more


def optimal_response_s(arrival_rate_per_s: float, rates_per_s: np.ndarray) -> float:
    """Return E[N]/λ with the death rates of 0, 1, ... jobs."""
    if arrival_rate_per_s >= rates_per_s[-1]:
        return np.inf
    load = arrival_rate_per_s / rates_per_s[-1]
    weight = np.append(1.0, np.cumprod(arrival_rate_per_s / rates_per_s[1:]))
    jobs = np.arange(weight.size, dtype=float)
    weight[-1] /= 1 - load
    jobs[-1] += load / (1 - load)
    return float(weight @ jobs / weight.sum() / arrival_rate_per_s)
