"""The choice of c: GBP-CR and GCA at every reserved capacity that can matter, and the best of them under the goal.

GBP-CR depends on c through the numbers of blocks m_j(c) alone, so of the c with equal m(c) only the smallest is
composed. Where the quantity is exact, a c is passed over if its limit shows that it cannot be best, so the answer is
that of trying all. Where it is simulated there is no such limit, and c is searched from coarse to fine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.reservation import reserving_block_count
from evaluators.queueing import AccuracyError
from planner.choice.quantity import Quantity
from planner.inventory.inventory import Inventory
from planner.results import Candidate
from system import Composition, InfeasibleError, InputError, System, UnstableError

COARSE = 9  # values of c that a simulated search begins with
NO_VALUE = (InfeasibleError, UnstableError, AccuracyError)


@dataclass(frozen=True)
class Found:
    """The best composition, its value under the goal, and every c that was looked at, ascending."""

    composition: Composition
    value: float
    candidates: tuple[Candidate, ...]


def best(inventory: Inventory, quantity: Quantity, most: int | None = None) -> Found:
    """The c with the best value, of at most so many spread over all where that is asked for.

    Raises `InfeasibleError` or `UnstableError` if no c has one.
    """
    system = inventory.system(1.0)  # with the stop rule `max_chains` no composition depends on the rate
    every = list(reservations(system))
    composed = {every[n]: compose(system, every[n]) for n in _spread(len(every), most or len(every))}
    if not composed:
        raise InfeasibleError(what_is_missing(system))
    return best_of(composed, quantity)


def best_of(composed: dict[int, Composition], quantity: Quantity) -> Found:
    """The best of compositions by number; raises as `best` does."""
    looked_at = (_by_limit if quantity.is_exact else _coarse_to_fine)(composed, quantity)
    with_value = [candidate for candidate in looked_at if candidate.value is not None]
    if not with_value:
        raise _why_none(composed, quantity)
    winner = min(with_value, key=lambda tried: (quantity.sign * (tried.value or 0.0), tried.reserved_capacity))
    assert winner.value is not None
    by_c = sorted(looked_at, key=lambda tried: tried.reserved_capacity)
    return Found(composed[winner.reserved_capacity], winner.value, tuple(by_c))


def compose(system: System, c: int) -> Composition:
    """GBP-CR and GCA at one c."""
    return gca(system, GbpCr()(system, c))


def reservations(system: System) -> Iterator[int]:
    """Every c whose numbers of blocks differ from those of c - 1 and are enough for a chain."""
    c, before = 1, np.empty(0, np.int64)
    while c <= system.largest_reservation:
        blocks = reserving_block_count(system, c)
        if blocks.sum() < system.model.block_count:
            return
        if not np.array_equal(blocks, before):
            yield c
        before, c = blocks, max(c + 1, _next_change(system, blocks))


def _next_change(system: System, blocks: NDArray[np.int64]) -> int:
    """A c up to which the numbers of blocks stay as they are: the first server's memory is short from there on."""
    model, hosts = system.model, blocks > 0
    largest = (system.servers.memory_gb[hosts] / blocks[hosts] - model.block_memory_gb) / model.cache_memory_gb
    return int(np.floor(largest.min()))


def _by_limit(composed: dict[int, Composition], quantity: Quantity) -> list[Candidate]:
    """The most promising first; what cannot beat the best so far is not evaluated."""
    limits, looked_at, leader = {}, [], None
    for c, composition in composed.items():
        try:
            limits[c] = quantity.limit(composition)
        except NO_VALUE as error:
            looked_at.append(Candidate(c, None, str(error)))
    for c in sorted(limits, key=lambda c: (quantity.sign * limits[c], c)):
        if leader is not None and quantity.sign * (limits[c] - leader) >= 0:
            looked_at.append(Candidate(c, None, f"cannot be better than {limits[c]:.4g}"))
            continue
        tried = _tried(c, composed[c], quantity, leader)
        if tried.value is not None:
            leader = tried.value if leader is None else min(leader, tried.value, key=lambda v: quantity.sign * v)
        looked_at.append(tried)
    return looked_at


def _coarse_to_fine(composed: dict[int, Composition], quantity: Quantity) -> list[Candidate]:
    """Values of c spread over all, then, until the best has no untried neighbour, those half way to its neighbours."""
    every = list(composed)
    tried: dict[int, Candidate] = {}
    places = set(_spread(len(every), COARSE))
    while places:
        for n in places:
            tried[n] = _tried(every[n], composed[every[n]], quantity)
        places = _between(sorted(tried), min(tried, key=lambda n: _score(tried[n], quantity)))
    return list(tried.values())


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers 0 to `count` - 1, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()


def _between(places: list[int], centre: int) -> set[int]:
    """Half way from a place to the next ones below and above, where there is something in between."""
    at = places.index(centre)
    around = places[max(at - 1, 0) : at + 2]
    return {(a + b) // 2 for a, b in pairwise(around) if b - a > 1}


def _score(tried: Candidate, quantity: Quantity) -> float:
    return np.inf if tried.value is None else quantity.sign * tried.value


def _tried(c: int, composition: Composition, quantity: Quantity, leader: float | None = None) -> Candidate:
    try:
        value = quantity.value(composition, leader)
    except NO_VALUE as error:
        return Candidate(c, None, str(error))
    return Candidate(c, value, "" if value is not None else f"not better than {leader:.4g}")


def what_is_missing(system: System) -> str:
    """The sentence for servers that cannot host the model beside the cache of one request."""
    model, blocks = system.model, int(reserving_block_count(system, 1).sum())
    with_cache_gb = model.block_memory_gb + model.cache_memory_gb
    missing = model.block_count - blocks
    return (
        f"{model.name} fits nowhere: the {len(system.servers)} servers have {system.servers.memory_gb.sum():.4g} GB "
        f"and hold {blocks} of its {model.block_count} blocks, each {model.block_memory_gb:.3g} GB beside "
        f"{model.cache_memory_gb:.3g} GB of cache for one request; {missing * with_cache_gb:.3g} GB are missing, add "
        "servers with that much memory, or take a smaller precision or fewer cache_tokens"
    )


def _why_none(composed: dict[int, Composition], quantity: Quantity) -> InputError:
    """Why there are compositions but none has a value: too little service rate, or too slow for the SLO."""
    if quantity.rate_per_s is None:
        fastest = min(composed.values(), key=lambda composition: composition.mean_service_s[0])
        no_rate = InfeasibleError("no rate, however small, meets the SLO; raise slo_s or add faster servers")
        return _why_no_value(fastest, quantity) or no_rate
    strongest = max(composed.values(), key=lambda composition: composition.total_rate_per_s)
    too_weak = UnstableError(
        f"rate_per_s = {quantity.rate_per_s:g}: no composition of these servers carries it, the strongest carries less "
        f"than {strongest.total_rate_per_s:.4g}/s; lower the rate or add servers"
    )
    if quantity.rate_per_s >= strongest.total_rate_per_s:
        return too_weak
    return _why_no_value(strongest, quantity) or too_weak


def _why_no_value(composition: Composition, quantity: Quantity) -> InputError | None:
    try:
        quantity.value(composition)
    except NO_VALUE as error:
        return error
    return None
