"""The value of servers: what a plan would lose without each of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from planner.choice.candidates import NO_VALUE, best, compose, reservations
from planner.choice.quantity import Quantity, quantity_of
from planner.results import Plan, ServerValue
from system import Composition, InfeasibleError

Ints = NDArray[np.int64]

RETUNED = 10  # number of the most valuable servers for which c is tuned again
LEAST_VALUED = 30  # number of servers whose value is always computed
MOST_SLOTS = 500_000  # total capacity of all compositions; with more, only LEAST_VALUED servers are valued
MOST_PLACED = 200_000  # servers placed, summed over all c; with more, c is never tuned again
NOT_VALUED = "not computed: by its bound, the loss is smaller than for the servers with a value"


@dataclass(frozen=True)
class _Part:
    """Interchangeable members, and the best possible value of the goal's quantity without one of them."""

    members: Ints
    composition: Composition | None
    limit: float | None
    reason: str


def value_of_servers(plan: Plan, seed: int = 0) -> tuple[ServerValue, ...]:
    """Return the goal's quantity without each server of the plan, the most valuable first.

    Identical servers share one entry. The value is that at the plan's c; the first ten also have the value at the best
    c. With very many different servers, only the first 30 by the quantity's limit are valued, and c is never tuned
    again.

    A layout that already runs (a plan without candidates) has no c to tune; it stays as it is without the server. GCA
    allocates the remaining cache if the layout was allocated by GCA; otherwise the chains through the server are lost.
    """
    if plan.members.size == 1:
        return (ServerValue(tuple(plan.members.tolist()), None, None, "it is the only server"),)
    quantity = quantity_of(plan.inventory, seed)
    parts = [_part(plan, members, quantity) for members in _identical(plan)]
    parts.sort(key=lambda part: np.inf if part.limit is None else quantity.sign * part.limit, reverse=True)
    valued_count = len(parts) if len(parts) * plan.composition.total_capacity <= MOST_SLOTS else LEAST_VALUED
    values = [_valued(plan, part, quantity) for part in parts[:valued_count]]
    values.sort(key=lambda v: np.inf if v.value_at_same_c is None else quantity.sign * v.value_at_same_c, reverse=True)
    retuned = RETUNED if plan.candidates and _placed(plan) <= MOST_PLACED else 0
    return (
        *(replace(value, value_retuned=_retuned(plan, value, quantity)) for value in values[:retuned]),
        *values[retuned:],
        *(ServerValue(_numbers(plan, part), None, None, NOT_VALUED) for part in parts[valued_count:]),
    )


def _identical(plan: Plan) -> Iterator[Ints]:
    """Yield interchangeable members.

    They are in the same group; in the layout of a swarm they also host the same blocks. Members with chains that are
    not GCA's are not interchangeable.
    """
    placement, members = plan.composition.placement, np.arange(plan.members.size)
    parts = [plan.inventory.groups[plan.members]]
    if not plan.candidates:
        parts += [placement.first_block, placement.block_count] if _is_of_gca(plan.composition) else [members]
    part = np.unique(np.stack(parts), axis=1, return_inverse=True)[1].ravel()
    for number in range(part.max() + 1):
        yield np.flatnonzero(part == number)


def _part(plan: Plan, members: Ints, quantity: Quantity) -> _Part:
    try:
        composition = without(plan, int(members[0]))
    except NO_VALUE as error:
        return _Part(members, None, None, str(error))
    try:
        return _Part(members, composition, quantity.limit(composition), "")
    except NO_VALUE as error:
        return _Part(members, composition, None, str(error))


def _valued(plan: Plan, part: _Part, quantity: Quantity) -> ServerValue:
    try:
        value = None if part.composition is None else quantity.value(part.composition)
    except NO_VALUE as error:
        return ServerValue(_numbers(plan, part), None, None, str(error))
    return ServerValue(_numbers(plan, part), value, None, part.reason if value is None else "")


def _numbers(plan: Plan, part: _Part) -> tuple[int, ...]:
    """Return the members' numbers in the inventory."""
    return tuple(plan.members[part.members].tolist())


def without(plan: Plan, gone: int) -> Composition:
    """Return the plan's composition at the same c without member `gone`.

    Raises `InfeasibleError` if no chain remains.
    """
    if plan.candidates:
        rest = plan.inventory.only(np.delete(plan.members, gone))
        return compose(rest.system(1.0), plan.composition.placement.reserved_capacity)
    composition = plan.composition
    placement = composition.placement
    rest_blocks = np.where(np.arange(placement.block_count.size) == gone, 0, placement.block_count)
    if _is_of_gca(composition):
        return gca(composition.system, replace(placement, block_count=rest_blocks))
    return _without_chains(composition, gone)


def _is_of_gca(composition: Composition) -> bool:
    """Return whether GCA gives the same chains and capacities on this placement."""
    allocated = gca(composition.system, composition.placement)
    same_hops = np.array_equal(allocated.hop_server, composition.hop_server)
    return same_hops and np.array_equal(allocated.capacity, composition.capacity)


def _without_chains(composition: Composition, gone: int) -> Composition:
    """Return the chains that do not use server `gone`, with their capacities."""
    chain = np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))
    kept = np.setdiff1d(chain, chain[composition.hop_server == gone])
    if kept.size == 0:
        raise InfeasibleError(f"no chain remains without {composition.system.servers.name(gone)}")
    hops = np.isin(chain, kept)
    start = np.concatenate([[0], np.cumsum(np.diff(composition.hop_start)[kept])])
    remaining = composition.hop_server[hops], composition.hop_blocks[hops], start, composition.capacity[kept]
    return Composition.of_hops(composition.system, composition.placement, *remaining)


def _retuned(plan: Plan, value: ServerValue, quantity: Quantity) -> float | None:
    try:
        return best(plan.inventory.only(plan.members[plan.members != value.servers[0]]), quantity).value
    except NO_VALUE:
        return None


def _placed(plan: Plan) -> int:
    """Return how many servers are placed when c is tuned once."""
    return plan.members.size * sum(1 for _ in reservations(plan.composition.system))
