"""The fastest chains for users: disjoint ones, each the fastest that the servers left over can form.

A chain for c users has the cache of c requests beside each block. Several numbers of users on a chain are tried, also
without some of the servers, and with servers that several chains share if the engine can run these; the goal decides.
For one user no chain is faster, under equation (2) and for hops over the hub. An engine may limit the devices and the
users of a chain; of a chain with too many devices, the server with the fewest blocks a device is left out.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.reservation import reserving_block_count
from planner.choice.candidates import NO_VALUE, Choice, compose, missing_memory
from planner.choice.chains.ends import first_and_last_gb, with_less_memory
from planner.choice.chains.own_chains import Limits, composition_of, limits_of, placement_of
from planner.choice.sharing.users import request_count
from planner.choice.speed import SpeedForUsers
from planner.inventory.inventory import Inventory
from planner.results import Candidate
from system import Composition, System
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
    rules = Rules(limits_of(inventory), inventory.device_counts, *first_and_last_gb(inventory))
    search = _Search(system, quantity, rules)
    search.shares_servers = not inventory.engine.own_servers
    search.try_without(set())
    if search.best is None:
        raise search.reason
    if quantity.users.count > 1:
        search.leave_servers_out()
    return Choice(search.best, search.value, tuple(search.candidates.values()))


@dataclass(frozen=True)
class Rules:
    """What chains of an engine keep to."""

    limits: Limits
    devices: Ints  # (J,) numbers inside the servers
    first_gb: float  # of memory on the first server of a chain, beside blocks and caches; likewise:
    last_gb: float


class _Search:
    """The compositions that were tried, and the best of them."""

    def __init__(self, system: System, quantity: SpeedForUsers, rules: Rules) -> None:
        self.system, self.quantity, self.rules = system, quantity, rules
        self.shares_servers = False
        self.best: Composition | None = None
        self.value = np.inf if quantity.sign > 0 else -np.inf
        self.candidates: dict[int, Candidate] = {}  # the best one for each number of users on a chain
        self.reason = InfeasibleError(_missing(system, rules.limits))

    def try_without(self, left_out: set[int]) -> bool:
        """Try all chains of the other servers; return whether any serves the users better."""
        before, users = self.value, self.quantity.users.count
        for c in _reservations(users):
            for job in self.quantity.jobs(c) if c <= self.rules.limits.slots else ():
                self._try_chains(c, job, left_out)
            if self.shares_servers and users > 1 and not left_out:
                self._try_shared(c)
        return self.value != before

    def _try_chains(self, c: int, job: Floats, left_out: set[int]) -> None:
        """Try disjoint chains for all users that fit, and for c."""
        chains = list(fastest_chains(self.system, c, self.quantity.users.count, job, left_out, self.rules))
        if not chains:
            return
        widest = _composition(self.system, c, chains, self.rules, self.rules.limits.slots)
        self._try(c, widest)
        if len(chains) > 1 and (widest.capacity > c).any():
            self._try(c, _composition(self.system, c, chains, self.rules, c))

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
        layouts = 4 * len(_reservations(users)) * min(np.unique(self.best.hop_server).size, MOST_LEFT_OUT)
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


def _missing(system: System, limits: Limits) -> str:
    """Return why the model fits on no chain."""
    if int(reserving_block_count(system, 1).sum()) < system.model.block_count:
        return missing_memory(system)
    return (
        f"{system.model.name} does not fit on a chain of at most {limits.devices:g} devices, the most of the engine; "
        "add larger servers, or choose another engine"
    )


def fastest_chains(
    system: System,
    c: int,
    users: int,
    job: Floats,
    left_out: set[int],
    rules: Rules,
) -> Iterator[list[tuple[int, int]]]:
    """Yield chains of servers with their blocks until the users are served.

    Each is the fastest for `job`, coefficients of equation (2), on the servers that no chain before it has and that are
    not left out.
    """
    most, served = reserving_block_count(system, c), 0
    at_first, at_last, at_both = (
        reserving_block_count(replace(system, servers=with_less_memory(system.servers, taken_gb)), c)
        for taken_gb in (rules.first_gb, rules.last_gb, rules.first_gb + rules.last_gb)
    )
    most[list(left_out)] = 0
    visit_s, block_s = system.servers.communication_s @ job, system.servers.block_s @ job
    former = _Former(visit_s, block_s, system.model.block_count, rules, (at_first, at_last, at_both))
    while served < users and (chain := former.chain(most.copy())):
        yield chain
        served += c
        most[[j for j, _ in chain]] = 0


@dataclass(frozen=True)
class _Former:
    """Forms fast chains that keep to the rules of an engine."""

    visit_s: Floats
    block_s: Floats
    block_count: int
    rules: Rules
    at_ends: tuple[Ints, Ints, Ints]  # (J,) most blocks of a first server, of a last one, and of one that is both

    def chain(self, most: Ints) -> list[tuple[int, int]]:
        """Return a fast chain; the servers host at most so many blocks.

        It is empty if there is none. Of a chain with too many devices, the server that can host the fewest blocks a
        device is left out. If no server has room for what lies at an end, one hosts fewer blocks.
        """
        lowered: set[int] = set()
        while chain := fastest_chain(self.visit_s, self.block_s, most, self.block_count):
            servers = [j for j, _ in chain]
            if self.rules.devices[servers].sum() > self.rules.limits.devices:
                most[min(servers, key=lambda j: most[j] / self.rules.devices[j])] = 0
            elif (ordered := self._ordered(chain)) or lowered.issuperset(servers):
                return ordered or chain
            else:
                full = [j for j in servers if j not in lowered]
                room = self.at_ends[1] if len(chain) > 1 else self.at_ends[2]
                worst = min(full, key=lambda j: (most[j] - room[j], -room[j]))
                most[worst] = min(most[worst], room[worst])
                lowered.add(worst)
        return []

    def _ordered(self, chain: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return a chain with room at its ends, or nothing."""
        first, last, both = self.at_ends
        if len(chain) == 1:
            return chain if chain[0][1] <= both[chain[0][0]] else []
        by_room = sorted(chain, key=lambda hop: int(last[hop[0]]) - hop[1])
        fits_first = [hop for hop in by_room[:-1] if hop[1] <= first[hop[0]]]
        if by_room[-1][1] > last[by_room[-1][0]] or not fits_first:
            return []
        between = [hop for hop in chain if hop not in (fits_first[-1], by_room[-1])]
        return [fits_first[-1], *between, by_room[-1]]


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


def _composition(system: System, c: int, chains: list[list[tuple[int, int]]], rules: Rules, most: float) -> Composition:
    """Return the chains with the largest capacities up to `most` that fit."""
    placement, taken_gb = placement_of(system, chains, c), np.zeros(len(system.servers))
    for chain in chains:
        taken_gb[chain[0][0]] += rules.first_gb
        taken_gb[chain[-1][0]] += rules.last_gb
    with_ends = replace(system, servers=with_less_memory(system.servers, taken_gb))
    within, beside = (placement.cache_slots(of) for of in (system, with_ends))
    capacity = [_capacity(chain, beside) for chain in chains]
    if min(capacity) < c:  # the ends have no room yet
        capacity = [_capacity(chain, within) for chain in chains]
    return composition_of(system, placement, chains, np.minimum(capacity, most).astype(np.int64))


def _capacity(chain: list[tuple[int, int]], slots: Ints) -> int:
    return min(int(slots[j]) // run for j, run in chain)
