"""The fastest chains for users: disjoint ones, each the fastest that the servers left over can form.

A chain for c users has the cache of c requests beside each block. Several numbers of users on a chain are tried, also
without some of the servers, and with servers that several chains share if the engine can run these; the goal decides.
For one user no chain is faster, under equation (2) and for hops over the hub.
"""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.reservation import reserving_block_count
from planner.choice.candidates import NO_VALUE, Choice, compose, missing_memory
from planner.choice.sharing.users import request_count
from planner.choice.speed import SpeedForUsers
from planner.inventory.inventory import Inventory
from planner.results import Candidate
from system import Composition, Placement, System
from system.errors import InfeasibleError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_LEFT_OUT = 8  # servers
MOST_VISITS = 30_000_000  # of tokens to servers, in the simulations of one further server left out
MOST_CHAINS = 6  # over which users are spread evenly; more of them by powers of two


def fastest(inventory: Inventory, quantity: SpeedForUsers) -> Choice:
    """Return the chains that serve the users best.

    Raises `InfeasibleError` if the model does not fit, or too few users are served at once.
    """
    system = inventory.system(1.0)
    search = _Search(system, quantity, shares_servers=not inventory.engine.own_servers)
    search.try_without(set())
    if search.best is None:
        raise search.reason
    if quantity.users.count > 1:
        search.leave_servers_out()
    return Choice(search.best, search.value, tuple(search.candidates.values()))


class _Search:
    """The compositions that were tried, and the best of them."""

    def __init__(self, system: System, quantity: SpeedForUsers, shares_servers: bool) -> None:
        self.system, self.quantity, self.shares_servers = system, quantity, shares_servers
        self.best: Composition | None = None
        self.value = np.inf if quantity.sign > 0 else -np.inf
        self.candidates: dict[int, Candidate] = {}  # the best one for each number of users on a chain
        self.reason = InfeasibleError(missing_memory(system))

    def try_without(self, left_out: set[int]) -> bool:
        """Try all chains of the other servers; return whether any serves the users better."""
        before = self.value
        for c in _reservations(self.quantity.users.count):
            for job in self.quantity.jobs(c):
                chains = list(fastest_chains(self.system, c, self.quantity.users.count, job, left_out))
                if chains:
                    self._try(c, _composition(self.system, c, chains))
            if self.shares_servers and self.quantity.users.count > 1 and not left_out:
                self._try_shared(c)
        return self.value != before

    def leave_servers_out(self) -> None:
        """Leave out servers as long as that serves the users better."""
        left_out: set[int] = set()
        for _ in range(self._affordable_rounds()):
            assert self.best is not None
            used = np.unique(self.best.hop_server)[:MOST_LEFT_OUT].tolist()
            better = [j for j in used if self.try_without(left_out | {j})]
            if not better:
                return
            left_out.add(better[-1])  # each was better than those before

    def _affordable_rounds(self) -> int:
        """Return how many servers may be left out, fewer where simulations take long."""
        assert self.best is not None
        users, tokens = self.quantity.users.count, self.quantity.loop.output_tokens
        visits = request_count(users) * tokens * self.best.most_hops
        layouts = 2 * len(_reservations(users)) * min(np.unique(self.best.hop_server).size, MOST_LEFT_OUT)
        return int(min(MOST_LEFT_OUT, MOST_VISITS // (visits * layouts)))

    def _try_shared(self, c: int) -> None:
        with suppress(InfeasibleError):
            self._try(c, compose(self.system, c))

    def _try(self, c: int, composition: Composition) -> None:
        try:
            value = self.quantity.value(composition)
        except NO_VALUE as error:
            self.candidates.setdefault(c, Candidate(c, None, str(error)))
            self.reason = InfeasibleError(str(error))
            return
        if c not in self.candidates or self._is_better(value, self.candidates[c].value):
            self.candidates[c] = Candidate(c, value)
        if self._is_better(value, self.value):
            self.best, self.value = composition, value

    def _is_better(self, value: float, than: float | None) -> bool:
        return than is None or self.quantity.sign * value < self.quantity.sign * than


def _reservations(users: int) -> list[int]:
    """Return numbers of users on a chain that are worth trying."""
    powers = {2**n for n in range(users.bit_length())}
    return sorted(powers | {-(-users // chains) for chains in range(1, MOST_CHAINS + 1)})


def fastest_chains(
    system: System, c: int, users: int, job: Floats, left_out: set[int]
) -> Iterator[list[tuple[int, int]]]:
    """Yield chains of servers with their blocks until the users are served.

    Each is the fastest for `job`, coefficients of equation (2), on the servers that no chain before it has and that are
    not left out.
    """
    most, served = reserving_block_count(system, c), 0
    most[list(left_out)] = 0
    visit_s, block_s = system.servers.communication_s @ job, system.servers.block_s @ job
    while served < users and (chain := fastest_chain(visit_s, block_s, most, system.model.block_count)):
        yield chain
        served += c
        most[[j for j, _ in chain]] = 0


def fastest_chain(visit_s: Floats, block_s: Floats, most: Ints, block_count: int) -> list[tuple[int, int]]:
    """Return the servers of the fastest chain with their blocks, if there is one.

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
