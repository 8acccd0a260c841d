"""The choice of the reserved capacity c.

GBP-CR and GCA compose chains at every c that can matter, and the goal selects the best composition. GBP-CR depends on
c only through the block counts m_j(c), so only the smallest of several c with equal m(c) is composed. If the quantity
is exact, a c is skipped when its limit shows that it cannot be the best one, and the answer is that of trying all. A
simulated quantity has no such limit, so c is then searched from coarse to fine.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.reservation import reserving_block_count
from planner.choice.chains.own_chains import OwnChains
from planner.choice.quantity import Quantity
from planner.choice.remedies import remedy_words
from planner.inventory.inventory import Inventory
from planner.results import Candidate, Search
from system import Composition, InputError, System
from system.errors import AccuracyError, InfeasibleError, UnstableError

COARSE = 9  # number of values of c with which a simulated search begins
NO_VALUE = (InfeasibleError, UnstableError, AccuracyError)


@dataclass(frozen=True)
class Choice:
    """The best composition with its value under the goal, and all candidates in ascending order of c.

    `search` tells of the search that came after the best c, if there was one.
    """

    composition: Composition
    value: float
    candidates: tuple[Candidate, ...]
    search: Search | None = None
    composed: Mapping[int, Composition] = field(default_factory=dict, repr=False)  # by c, all candidates


def best(inventory: Inventory, quantity: Quantity, most: int | None = None) -> Choice:
    """Return the composition at the best c.

    With `most`, at most that many values of c are tried, spread evenly over all.

    Raises `InfeasibleError` or `UnstableError` if no c has a value.
    """
    system = inventory.system(1.0)  # with the stop rule `max_chains` no composition depends on the rate
    capacities = list(reservations(system))
    composed = _composed(inventory, system, [capacities[n] for n in _spread(len(capacities), most)])
    if not capacities:
        raise InfeasibleError(missing_memory(system))
    return best_of(composed, quantity)


def best_of(composed: dict[int, Composition], quantity: Quantity) -> Choice:
    """Return the best of several compositions by number; raise as `best` does."""
    candidates = (_by_limit if quantity.is_exact else _coarse_to_fine)(composed, quantity)
    with_value = [candidate for candidate in candidates if candidate.value is not None]
    if not with_value:
        raise _no_value_error(composed, quantity)
    winner = min(with_value, key=lambda tried: (quantity.sign * (tried.value or 0.0), tried.reserved_capacity))
    assert winner.value is not None
    by_c = sorted(candidates, key=lambda tried: tried.reserved_capacity)
    return Choice(composed[winner.reserved_capacity], winner.value, tuple(by_c), composed=composed)


def _composed(inventory: Inventory, system: System, capacities: list[int]) -> dict[int, Composition]:
    """Return the compositions at several c, of chains that the engine can start.

    Raises `InfeasibleError` if an engine whose chains share no server can start none.
    """
    if not inventory.engine.own_servers:
        return {c: compose(system, c) for c in capacities}
    own, composed = OwnChains.of_engine(system, inventory), {}
    for c in capacities:
        with suppress(InfeasibleError):
            composed[c] = own.reserved(c)
    if capacities and not composed:
        raise InfeasibleError(
            f"engine = {inventory.engine.name}: it starts no chain of more than {own.limits.devices:g} devices, and "
            "fewer cannot hold the model; add larger servers, or choose another engine"
        )
    return composed


def compose(system: System, c: int) -> Composition:
    """Return the chains of GBP-CR and GCA at one c."""
    return gca(system, GbpCr()(system, c))


def reservations(system: System) -> Iterator[int]:
    """Yield each c that can matter.

    Its block counts are enough for a chain and differ from those of c - 1.
    """
    c, before = 1, np.empty(0, np.int64)
    while c <= system.largest_reservation:
        blocks = reserving_block_count(system, c)
        if blocks.sum() < system.model.block_count:
            return
        if not np.array_equal(blocks, before):
            yield c
        before, c = blocks, max(c + 1, _next_change(system, blocks))


def _next_change(system: System, blocks: NDArray[np.int64]) -> int:
    """Return the largest c at which no server loses a block."""
    model, hosts = system.model, blocks > 0
    largest = (system.servers.memory_gb[hosts] / blocks[hosts] - model.block_memory_gb) / model.cache_memory_gb
    return int(np.floor(largest.min()))


def _by_limit(composed: dict[int, Composition], quantity: Quantity) -> list[Candidate]:
    """Evaluate the most promising c first; skip those that cannot beat the best."""
    limits, candidates, leader = {}, [], None
    for c, composition in composed.items():
        try:
            limits[c] = quantity.limit(composition)
        except NO_VALUE as error:
            candidates.append(Candidate(c, None, str(error)))
    for c in sorted(limits, key=lambda c: (quantity.sign * limits[c], c)):
        if leader is not None and quantity.sign * (limits[c] - leader) >= 0:
            candidates.append(Candidate(c, None, f"cannot be better than {limits[c]:.4g}"))
            continue
        tried = _tried(c, composed[c], quantity, leader)
        if tried.value is not None:
            leader = tried.value if leader is None else min(leader, tried.value, key=lambda v: quantity.sign * v)
        candidates.append(tried)
    return candidates


def _coarse_to_fine(composed: dict[int, Composition], quantity: Quantity) -> list[Candidate]:
    """Evaluate values of c from coarse to fine.

    The first ones are spread over all. Then those half way between the best one and its neighbours follow, until the
    best one has no untried neighbour.
    """
    capacities = list(composed)
    tried: dict[int, Candidate] = {}
    indices = set(_spread(len(capacities), COARSE))
    while indices:
        for n in indices:
            tried[n] = _tried(capacities[n], composed[capacities[n]], quantity)
        indices = _between(sorted(tried), min(tried, key=lambda n: _score(tried[n], quantity)))
    return list(tried.values())


def _spread(count: int, most: int | None) -> list[int]:
    """Return numbers spread over 0 to `count` - 1, with both ends.

    There are at most `most` numbers; None stands for all.
    """
    return np.unique(np.linspace(0, count - 1, min(count, most or count)).astype(int)).tolist()


def _between(indices: list[int], centre: int) -> set[int]:
    """Return the indices half way between `centre` and its neighbours, if any lie between."""
    position = indices.index(centre)
    neighbours = indices[max(position - 1, 0) : position + 2]
    return {(a + b) // 2 for a, b in pairwise(neighbours) if b - a > 1}


def _score(tried: Candidate, quantity: Quantity) -> float:
    return np.inf if tried.value is None else quantity.sign * tried.value


def _tried(c: int, composition: Composition, quantity: Quantity, leader: float | None = None) -> Candidate:
    try:
        value = quantity.value(composition, leader)
    except NO_VALUE as error:
        return Candidate(c, None, str(error))
    return Candidate(c, value, "" if value is not None else f"not better than {leader:.4g}")


def missing_memory(system: System) -> str:
    """Return the message for servers too small for the model and one request's cache."""
    model, blocks = system.model, int(reserving_block_count(system, 1).sum())
    with_cache_gb = model.block_memory_gb + model.cache_memory_gb
    missing = model.block_count - blocks
    servers = "1 server" if len(system.servers) == 1 else f"{len(system.servers)} servers"
    return (
        f"{model.name} does not fit: the memory of {servers} ({system.servers.memory_gb.sum():.4g} GB in total) can "
        f"hold {blocks} of its {model.block_count} blocks, at {model.block_memory_gb:.3g} GB for a block and "
        f"{model.cache_memory_gb:.3g} GB for one request's cache in it; {missing * with_cache_gb:.3g} GB are missing: "
        f"{remedy_words(system)}"
    )


def _no_value_error(composed: dict[int, Composition], quantity: Quantity) -> InputError:
    """Return the error for compositions that are all too weak or too slow."""
    if quantity.rate_per_s is None:
        fastest = min(composed.values(), key=lambda composition: composition.mean_service_s[0])
        no_rate = InfeasibleError("no rate, however small, meets the SLO; raise slo_s or add faster servers")
        return _value_error(fastest, quantity) or no_rate
    strongest = max(composed.values(), key=lambda composition: composition.total_rate_per_s)
    too_weak = UnstableError(
        f"rate_per_s = {quantity.rate_per_s:g}: these servers do not carry that rate; their strongest composition "
        f"carries less than {strongest.total_rate_per_s:.4g}/s; lower the rate or add servers"
    )
    if quantity.rate_per_s >= strongest.total_rate_per_s:
        return too_weak
    return _value_error(strongest, quantity) or too_weak


def _value_error(composition: Composition, quantity: Quantity) -> InputError | None:
    try:
        quantity.value(composition)
    except NO_VALUE as error:
        return error
    return None
