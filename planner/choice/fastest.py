"""The fastest chains for users: disjoint ones, each the fastest that the servers left over can form.

A chain for c users has the cache of c requests beside each block. The chains for one user are tried, and those for more
users at once, and the goal decides. For one user no chain is faster, under equation (2) and for hops over the hub.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.reservation import reserving_block_count
from planner.choice.candidates import NO_VALUE, Choice, missing_memory
from planner.choice.speed import SpeedForUsers
from planner.inventory.inventory import Inventory
from planner.results import Candidate
from system import Composition, Placement, System
from system.errors import InfeasibleError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_CHAINS = 6  # over which users are spread evenly; more of them by powers of two


def fastest(inventory: Inventory, quantity: SpeedForUsers) -> Choice:
    """Return the chains that serve the users best.

    Raises `InfeasibleError` if the model does not fit, or too few users are served at once.
    """
    system, candidates = inventory.system(1.0), []
    best: tuple[float, Composition] | None = None
    reason = InfeasibleError(missing_memory(system))
    for c in _reservations(quantity.users.count):
        chains = list(fastest_chains(system, c, quantity.users.count, quantity.job))
        if not chains:
            break
        composition = _composition(system, c, chains)
        try:
            value = quantity.value(composition)
        except NO_VALUE as error:
            candidates.append(Candidate(c, None, str(error)))
            reason = InfeasibleError(str(error))
            continue
        candidates.append(Candidate(c, value))
        if best is None or quantity.sign * value < quantity.sign * best[0]:
            best = value, composition
    if best is None:
        raise reason
    return Choice(best[1], best[0], tuple(candidates))


def _reservations(users: int) -> list[int]:
    """Return powers of two below the number of users, and the users of each of up to `MOST_CHAINS` chains."""
    powers = {2**n for n in range(users.bit_length())}
    return sorted(powers | {-(-users // chains) for chains in range(1, MOST_CHAINS + 1)})


def fastest_chains(system: System, c: int, users: int, job: Floats) -> Iterator[list[tuple[int, int]]]:
    """Yield chains of servers and their blocks, until so many users are served at once.

    Each is the fastest for `job`, coefficients of equation (2), on the servers that no chain before it has.
    """
    most, served = reserving_block_count(system, c), 0
    visit_s, block_s = system.servers.communication_s @ job, system.servers.block_s @ job
    while served < users and (chain := fastest_chain(visit_s, block_s, most, system.model.block_count)):
        yield chain
        served += c
        most[[j for j, _ in chain]] = 0


def fastest_chain(visit_s: Floats, block_s: Floats, most: Ints, block_count: int) -> list[tuple[int, int]]:
    """Return the servers of the fastest chain and their numbers of blocks; empty if there is none.

    Of a fastest chain all servers are full but the one with the slowest blocks. So the servers are tried in order of
    their block times, and the last one of a chain takes the blocks that are left.
    """
    full_s = np.full(block_count + 1, np.inf)  # of the fastest full servers with so many blocks in all
    full_s[0] = 0.0
    chosen: list[list[tuple[int, int]]] = [[] for _ in range(block_count + 1)]
    least_s, best = np.inf, []
    for j in np.argsort(block_s, kind="stable").tolist():
        blocks = int(min(most[j], block_count))
        if blocks == 0:
            continue
        before = np.arange(block_count - blocks, block_count)
        closed_s = full_s[before] + visit_s[j] + block_s[j] * (block_count - before)
        done = int(closed_s.argmin())
        if closed_s[done] < least_s:
            least_s, best = float(closed_s[done]), [*chosen[before[done]], (j, int(block_count - before[done]))]
        longer_s = full_s[: block_count + 1 - blocks] + visit_s[j] + block_s[j] * blocks
        for n in np.flatnonzero(longer_s < full_s[blocks:])[::-1].tolist():
            chosen[n + blocks] = [*chosen[n], (j, blocks)]
        full_s[blocks:] = np.minimum(full_s[blocks:], longer_s)
    return best


def _composition(system: System, c: int, chains: list[list[tuple[int, int]]]) -> Composition:
    """Return the chains with the largest capacities that their servers' memory allows."""
    count = len(system.servers)
    first, blocks = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for chain in chains:
        for (j, run), end in zip(chain, np.cumsum([run for _, run in chain]), strict=True):
            first[j], blocks[j] = end - run, run
    placement = Placement(first, blocks, c)
    slots = placement.cache_slots(system)
    capacity = np.array([min(int(slots[j]) // run for j, run in chain) for chain in chains])
    servers, runs = np.array([hop for chain in chains for hop in chain]).T
    start = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])])
    return Composition.of_hops(system, placement, servers, runs, start, capacity)
