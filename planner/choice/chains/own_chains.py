"""Chains that share no server, as engines start them: one copy of the model for each chain.

Servers with the same numbers are of one kind. A chain is a sorted tuple of kinds, and for each capacity its blocks are
split so that a request takes the least time: every server runs a block at least, and the fastest ones run as many more
as they have memory for. Equally fast servers share evenly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.gbp_cr import GbpCr
from planner.choice.chains.ends import first_and_last_gb
from planner.inventory.inventory import Inventory
from system import Composition, InfeasibleError, Placement, System
from system.checks import SLACK

Chain = tuple[int, ...]  # kinds, ascending
Hops = Sequence[tuple[int, int]]  # the servers of a chain with their blocks
Ints = NDArray[np.int64]

MOST_OPTIONS = 10  # capacities of a chain that are tried


class Limits(NamedTuple):
    """What an engine can start of a chain, at most."""

    devices: float
    slots: float


def limits_of(inventory: Inventory) -> Limits:
    """Return the limits of an inventory's engine."""
    return Limits(inventory.engine.most_devices, inventory.engine.most_slots)


def placement_of(system: System, chains: Sequence[Hops], c: int) -> Placement:
    """Return the blocks of chains that share no server."""
    first_block, block_count = np.zeros((2, len(system.servers)), np.int64)
    for chain in chains:
        for (j, blocks), end in zip(chain, np.cumsum([blocks for _, blocks in chain]), strict=True):
            first_block[j], block_count[j] = end - blocks, blocks
    return Placement(first_block, block_count, c)


def composition_of(
    system: System, placement: Placement, chains: Sequence[Hops], capacity: Sequence[int] | Ints
) -> Composition:
    """Return chains that share no server, with their capacities."""
    servers, blocks = np.array([hop for chain in chains for hop in chain]).T
    start = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])])
    return Composition.of_hops(system, placement, servers, blocks, start, np.asarray(capacity, np.int64))


class Option(NamedTuple):
    """A capacity of a chain, with the mean time of a request and the blocks of its servers.

    The servers at the indices `first` and `last` come first and last, and have the memory for what lies there.
    """

    capacity: int
    time_s: float
    blocks: tuple[int, ...]
    first: int
    last: int


class Most(NamedTuple):
    """The most blocks of each server of a chain at one capacity, and the servers at its ends."""

    blocks: list[int]
    first: int
    last: int


class OwnChains:
    """The chains that the servers of a system can form, each with servers of its own.

    A chain has at most so many devices and serves at most so many requests at once. A server has one device, or as many
    as `devices` says. `ends_gb` lies on the first and the last server of a chain.
    """

    def __init__(
        self, system: System, limits: Limits, ends_gb: tuple[float, float] = (0.0, 0.0), devices: Ints | None = None
    ) -> None:
        self.system, self.limits = system, limits
        self.first_gb, self.last_gb = ends_gb
        blocks = system.servers.capped(np.full(len(system.servers), system.model.block_count))
        counts = np.ones_like(blocks) if devices is None else devices
        rows = np.column_stack([system.servers.memory_gb, system.communication_s, system.block_s, blocks, counts])
        kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
        self._numbers = kinds.tolist()
        self.kind_of: Ints = kind_of.ravel()
        self._options: dict[Chain, tuple[Option, ...]] = {}

    @staticmethod
    def of_engine(system: System, inventory: Inventory) -> "OwnChains":
        """Return the chains that the engine of an inventory can start."""
        return OwnChains(system, limits_of(inventory), first_and_last_gb(inventory), inventory.device_counts)

    def reserved(self, c: int) -> Composition:
        """Return the chains of GBP-CR that the engine can start.

        Their capacities are at least c. Raises `InfeasibleError` if none is left.
        """
        chains = [(chain, self._widest(chain, c)) for chain in self.reserved_chains(c)]
        return self.composition(chains, c)

    def reserved_chains(self, c: int) -> list[Chain]:
        """Return the chains of GBP-CR at one c as kinds."""
        servers, start = GbpCr()(self.system, c).reserved_hops()
        chains = [tuple(sorted(self.kind_of[hops].tolist())) for hops in np.split(servers, start[1:-1])]
        return [chain for chain in chains if self.options(chain)]

    def options(self, chain: Chain) -> tuple[Option, ...]:
        """Return the capacities worth a try, ascending.

        A larger one takes longer. Empty if the model does not fit.
        """
        if chain not in self._options:
            self._options[chain] = tuple(self._worthwhile(chain))
        return self._options[chain]

    def _worthwhile(self, chain: Chain) -> list[Option]:
        largest = self._largest_capacity(chain)
        if largest == 0:
            return []
        kept: list[Option] = []
        for c in np.unique(np.rint(np.geomspace(1, largest, MOST_OPTIONS)).astype(int)).tolist()[::-1]:
            option = self.option(chain, c)
            if not kept or option.time_s < kept[-1].time_s * (1 - SLACK):
                kept.append(option)
        return kept[::-1]

    def _widest(self, chain: Chain, c: int) -> Option:
        """Return the largest capacity that takes no longer than c."""
        largest = self._largest_capacity(chain)
        low, high = min(c, largest), largest + 1
        best = self.option(chain, low)
        while high - low > 1:
            middle = (low + high) // 2
            wider = self.option(chain, middle)
            if wider.time_s <= best.time_s * (1 + SLACK):
                best, low = wider, middle
            else:
                high = middle
        return best

    def option(self, chain: Chain, capacity: int) -> Option:
        """Return a chain at a capacity that fits."""
        most, first, last = self._most(chain, capacity)
        blocks, rest = [1] * len(chain), self.system.model.block_count - len(chain)
        for speed in sorted({self._numbers[kind][2] for kind in chain}):
            equal = [n for n, kind in enumerate(chain) if self._numbers[kind][2] == speed]
            # The smallest one is first, as the others can take more.
            for rank, n in enumerate(sorted(equal, key=lambda n: most[n])):
                more = min(most[n] - 1, -(-rest // (len(equal) - rank)))
                blocks[n], rest = blocks[n] + more, rest - more
        time_s = sum(self._numbers[kind][1] + self._numbers[kind][2] * m for kind, m in zip(chain, blocks, strict=True))
        return Option(capacity, time_s, tuple(blocks), first, last)

    def _largest_capacity(self, chain: Chain) -> int:
        """Return the largest capacity at which the model fits; 0 if there is none."""
        devices = sum(self._numbers[kind][4] for kind in chain)
        if not chain or len(chain) > self.system.model.block_count or devices > self.limits.devices:
            return 0
        low, high = 0, int(min(self.limits.slots, self.system.largest_reservation)) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(chain, middle) else (low, middle)
        return low

    def _fits(self, chain: Chain, capacity: int) -> bool:
        most = self._most(chain, capacity).blocks
        return min(most) > 0 and sum(most) >= self.system.model.block_count

    def _most(self, chain: Chain, capacity: int) -> Most:
        """Return the most blocks of a chain's servers, and its ends.

        The ends are the servers that lose the fewest blocks by what lies there.
        """
        if len(chain) == 1:
            return Most([self._most_blocks(chain[0], capacity, self.first_gb + self.last_gb)], 0, 0)
        most = [self._most_blocks(kind, capacity) for kind in chain]
        first, last = 0, len(chain) - 1
        if self.last_gb > 0:
            lowered = [self._most_blocks(kind, capacity, self.last_gb) for kind in chain]
            last = max(range(len(chain)), key=lambda n: (lowered[n] - most[n], lowered[n]))
            most[last], first = lowered[last], int(last == 0)
        if self.first_gb > 0:
            lowered = [self._most_blocks(kind, capacity, self.first_gb) for kind in chain]
            others = (n for n in range(len(chain)) if n != last)
            first = max(others, key=lambda n: (lowered[n] - most[n], lowered[n]))
            most[first] = lowered[first]
        return Most(most, first, last)

    def _most_blocks(self, kind: int, capacity: int, taken_gb: float = 0.0) -> int:
        """Return m_j(c) of (6), beside the memory that is taken."""
        model, (memory_gb, _, _, most, _) = self.system.model, self._numbers[kind]
        per_block_gb = model.block_memory_gb + model.cache_memory_gb * capacity
        return int(min(max(memory_gb - taken_gb, 0.0) / per_block_gb * (1 + SLACK), most))

    def composition(self, chains: Sequence[tuple[Chain, Option]], c: int = 0) -> Composition:
        """Return the composition of several chains.

        Each server hosts exactly the blocks that it runs.
        """
        if not chains:
            raise InfeasibleError("no chain of servers of its own can hold the model; add servers or memory")
        unused = [np.flatnonzero(self.kind_of == kind).tolist()[::-1] for kind in range(len(self._numbers))]
        ordered = [_ordered(chain, option) for chain, option in chains]
        hops = [[unused[kind].pop() for kind in chain] for chain, _ in ordered]
        hosted = [list(zip(on, option.blocks, strict=True)) for on, (_, option) in zip(hops, ordered, strict=True)]
        capacity = [option.capacity for _, option in ordered]
        return composition_of(self.system, placement_of(self.system, hosted, c), hosted, capacity)


def _ordered(chain: Chain, option: Option) -> tuple[Chain, Option]:
    """Return a chain with the servers that hold its ends first and last."""
    between = [n for n in range(len(chain)) if n not in (option.first, option.last)]
    order = [option.first, *between, option.last] if len(chain) > 1 else [0]
    return tuple(chain[n] for n in order), option._replace(blocks=tuple(option.blocks[n] for n in order))
