"""The value of servers: what a plan would lose without each of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from planner.choice.candidates import NO_VALUE, reservations
from planner.choice.improvement import shortly_improved
from planner.choice.quantity import Quantity
from planner.choice.sharing.capped import quantity_of_plan
from planner.results import Plan, ServerValue
from system import Composition, InfeasibleError, Placement
from system.checks import SLACK

Ints = NDArray[np.int64]

PLANNED_AGAIN = 10  # groups with the most valuable servers, without which a new plan is made; fewer of large clusters:
PLANNED_SERVERS = 140  # in all new plans together, but at least
LEAST_PLANNED = 2  # groups
LEAST_VALUED = 30  # number of servers whose value is always computed
MOST_SLOTS = 500_000  # total capacity of all compositions; with more, only LEAST_VALUED servers are valued
MOST_PLACED = 200_000  # servers placed, summed over all c; with more, no new plan is made
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

    Identical servers share one entry. The value is that where the other servers keep their blocks; the servers of the
    first ten groups, or fewer on large clusters, also have that of a new plan. With very many different servers, only
    the first 30 by the quantity's limit are valued, and no new plan is made.

    GCA allocates the remaining cache if it allocated that of the plan; otherwise, as in some layouts that already run,
    the chains through the server are lost. There is no new plan for such layouts.
    """
    if plan.members.size == 1:
        return (ServerValue(tuple(plan.members.tolist()), None, None, "it is the only server"),)
    quantity = quantity_of_plan(plan, seed)
    parts = [_part(plan, members, quantity) for members in _identical(plan)]
    parts.sort(key=lambda part: np.inf if part.limit is None else quantity.sign * part.limit, reverse=True)
    valued_count = len(parts) if len(parts) * plan.composition.total_capacity <= MOST_SLOTS else LEAST_VALUED
    values = [_valued(plan, part, quantity) for part in parts[:valued_count]]
    values.sort(key=lambda value: _loss(value, quantity), reverse=True)
    if plan.candidates and _placed(plan) <= MOST_PLACED:
        values = _with_new_plans(plan, values, quantity)
    return (
        *values,
        *(ServerValue(_numbers(plan, part), None, None, NOT_VALUED) for part in parts[valued_count:]),
    )


def planned_again(servers: int) -> int:
    """Return how many new plans of so many servers are made."""
    return max(LEAST_PLANNED, min(PLANNED_AGAIN, PLANNED_SERVERS // servers))


def _identical(plan: Plan) -> Iterator[Ints]:
    """Yield interchangeable members.

    They are in the same group and host the same blocks. Members with chains that are not GCA's are not interchangeable.
    """
    placement, members = plan.composition.placement, np.arange(plan.members.size)
    parts = [plan.inventory.groups[plan.members], placement.first_block, placement.block_count]
    if not _is_of_gca(plan.composition):
        parts.append(members)
    part = np.unique(np.stack(parts), axis=1, return_inverse=True)[1].ravel()
    for number in range(part.max() + 1):
        yield np.flatnonzero(part == number)


def _part(plan: Plan, members: Ints, quantity: Quantity) -> _Part:
    if plan.composition.placement.block_count[members[0]] == 0:
        return _Part(members, plan.composition, plan.goal_value, "")
    try:
        composition = without(plan, int(members[0]))
    except NO_VALUE as error:
        return _Part(members, None, None, str(error))
    try:
        return _Part(members, composition, quantity.limit(composition), "")
    except NO_VALUE as error:
        return _Part(members, composition, None, str(error))


def _valued(plan: Plan, part: _Part, quantity: Quantity) -> ServerValue:
    if part.composition is plan.composition:
        return ServerValue(_numbers(plan, part), plan.goal_value, None)
    try:
        value = None if part.composition is None else quantity.value(part.composition)
    except NO_VALUE as error:
        return ServerValue(_numbers(plan, part), None, None, str(error))
    return ServerValue(_numbers(plan, part), value, None, part.reason if value is None else "")


def _loss(value: ServerValue, quantity: Quantity) -> float:
    """Return a number that grows with what is lost without the server."""
    without_it = value.value_with_same_blocks
    return np.inf if without_it is None else quantity.sign * without_it


def _numbers(plan: Plan, part: _Part) -> tuple[int, ...]:
    """Return the members' numbers in the inventory."""
    return tuple(plan.members[part.members].tolist())


def without(plan: Plan, gone: int) -> Composition:
    """Return the plan's composition without member `gone`, where the others keep their blocks.

    Raises `InfeasibleError` if no chain remains.
    """
    composition = plan.composition
    placement = composition.placement
    if _is_of_gca(composition):
        return _fast_enough(plan, gca(composition.system, _without_blocks(placement, gone)))
    return _without_chains(composition, gone)


def _fast_enough(plan: Plan, allocated: Composition) -> Composition:
    """Return the chains that are no slower than those of the plan.

    If they do not carry the rate, all chains are returned.
    """
    slowest_s = plan.composition.mean_service_s[-1] * (1 + SLACK)
    fast = np.flatnonzero(allocated.mean_service_s <= slowest_s)
    rate_per_s = float(allocated.capacity[fast] @ allocated.service_rate_per_s[fast])
    return allocated.only(fast) if rate_per_s > plan.prediction.rate_per_s else allocated


def _without_blocks(placement: Placement, gone: int) -> Placement:
    """Return the placement in which server `gone` hosts nothing."""
    rest = np.where(np.arange(placement.block_count.size) == gone, 0, placement.block_count)
    return replace(placement, block_count=rest)


def _is_of_gca(composition: Composition) -> bool:
    """Return whether GCA gives the same chains, perhaps with slower ones behind."""
    allocated, hops = gca(composition.system, composition.placement), composition.hop_server.size
    same_hops = np.array_equal(allocated.hop_server[:hops], composition.hop_server)
    return same_hops and np.array_equal(allocated.capacity[: len(composition)], composition.capacity)


def _without_chains(composition: Composition, gone: int) -> Composition:
    """Return the chains that do not use server `gone`, with their capacities."""
    chain = np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))
    kept = np.setdiff1d(chain, chain[composition.hop_server == gone])
    if kept.size == 0:
        raise InfeasibleError(f"no chain remains without {composition.system.servers.name(gone)}")
    return composition.only(kept)


def _with_new_plans(plan: Plan, values: list[ServerValue], quantity: Quantity) -> list[ServerValue]:
    """Return the values with those of new plans, one for each group of servers.

    It makes no difference to a new plan which server of a group is missing, so it begins without the one that is missed
    least.
    """
    group_of = [int(plan.inventory.groups[value.servers[0]]) for value in values]
    least_missed = dict(zip(group_of, values, strict=True))  # the last one, in the order of the groups' first ones
    planned = dict(islice(least_missed.items(), planned_again(plan.members.size)))
    new_plans = {group: _of_new_plan(plan, value, quantity) for group, value in planned.items()}
    return [
        replace(value, value_of_new_plan=new_plans.get(group)) for group, value in zip(group_of, values, strict=True)
    ]


def _of_new_plan(plan: Plan, value: ServerValue, quantity: Quantity) -> float | None:
    """Return the value of a new plan without the server, by a short search."""
    stay = plan.members != value.servers[0]
    rest, blocks = plan.inventory.only(plan.members[stay]), plan.composition.placement
    try:
        return shortly_improved(rest, quantity, Placement(blocks.first_block[stay], blocks.block_count[stay])).value
    except NO_VALUE:
        return None


def _placed(plan: Plan) -> int:
    """Return how many servers are placed when every c is tried once."""
    return plan.members.size * sum(1 for _ in reservations(plan.composition.system))
