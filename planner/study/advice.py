"""Answers to "what if": the fastest machine alone, and one more machine of a kind."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.placement.reservation import reserving_block_count
from algorithms.placement.whole_model import whole_model
from planner.choice.candidates import NO_VALUE
from planner.choice.improvement import shortly_improved
from planner.choice.quantity import Quantity
from planner.choice.sharing.capped import quantity_of_plan
from planner.inventory.goals import Cheapest
from planner.inventory.inventory import Inventory
from planner.results import Plan, ServerValue, WhatIf
from planner.study.server_values import planned_again
from system import Composition, Placement

MOST_KINDS = 6  # of which one more machine is tried, fewer on larger clusters
NOT_COMPUTED = "not computed, to save time"
NEW_NAME = "one more"
OWN_NUMBERS = "own numbers"  # of a GPU without a name


@dataclass(frozen=True)
class _Kind:
    """Equal machines, by one of them with the shortest way to it."""

    server: int  # number in the inventory
    name: str


def what_if(plan: Plan, values: tuple[ServerValue, ...], seed: int = 0) -> tuple[WhatIf, ...]:
    """Return the goal's quantity on other machines.

    These are the fastest machine alone, and the plan's machines with one more of each kind.

    The kinds whose loss costs most come first, by the `values` of the servers. On large clusters only some of them are
    tried. One more machine is not tried for layouts that already run, nor for the cheapest servers.
    """
    quantity = quantity_of_plan(plan, seed)
    return (_fastest_alone(plan, quantity), *_with_one_more(plan, values, quantity))


def _fastest_alone(plan: Plan, quantity: Quantity) -> WhatIf:
    """Return the goal's quantity on the server that is fastest for a user."""
    inventory, name = plan.inventory, "the fastest machine alone"
    system = inventory.system(1.0)
    hosts = np.flatnonzero(reserving_block_count(system, 1) == system.model.block_count).tolist()
    if not hosts:
        return WhatIf(name, "alone", None, None, None, "no machine can hold the whole model")
    alone = {j: _alone(inventory, j) for j in hosts}
    fastest = min(hosts, key=lambda j: (alone[j].job_coefficients_s[0, 2], alone[j].mean_service_s[0]))
    tokens_per_s = _tokens_per_s(alone[fastest])
    name = f"only {inventory.servers.name(fastest)}"
    try:
        value = quantity.value(alone[fastest])
    except NO_VALUE as error:
        return WhatIf(name, "alone", fastest, None, tokens_per_s, str(error))
    return WhatIf(name, "alone", fastest, value, tokens_per_s)


def _alone(inventory: Inventory, server: int) -> Composition:
    """Return the whole model on one server, for as many requests as fit."""
    system = inventory.only(np.array([server])).system(1.0)
    return gca(system, whole_model(system, 1))


def _tokens_per_s(composition: Composition) -> float | None:
    """Return the tokens/s of one user; None where times do not depend on tokens."""
    token_s = float(composition.job_coefficients_s[0, 2])
    return 1 / token_s if token_s else None


def _with_one_more(plan: Plan, values: tuple[ServerValue, ...], quantity: Quantity) -> Iterator[WhatIf]:
    """Yield the goal's quantity with one more machine of each kind."""
    if not plan.candidates or isinstance(plan.inventory.goal, Cheapest):
        return
    kinds = _kinds(plan, values)
    tried = min(MOST_KINDS, planned_again(plan.members.size))
    for kind in kinds[:tried]:
        yield _one_more(plan, kind, quantity)
    for kind in kinds[tried:]:
        yield WhatIf(f"one more {kind.name}", "one more", kind.server, None, None, NOT_COMPUTED)


def _kinds(plan: Plan, values: tuple[ServerValue, ...]) -> list[_Kind]:
    """Return the kinds of machines, those whose loss costs most first."""
    inventory, servers = plan.inventory, plan.inventory.servers
    missed = [j for value in values for j in value.servers]
    order = {j: position for position, j in reversed(list(enumerate(missed)))}
    members: dict[tuple[object, ...], list[int]] = {}
    for j in sorted(range(len(servers)), key=lambda j: order.get(j, len(order))):
        memory_gb = float(servers.memory_gb[j]) if inventory.gpus[j] == OWN_NUMBERS else 0.0
        key = (inventory.gpus[j], memory_gb, *servers.block_s[j].tolist())
        members.setdefault(key, []).append(j)
    near = [min(kind, key=lambda j: float(servers.communication_s[j].sum())) for kind in members.values()]
    return [_Kind(j, f"{inventory.gpus[j]}" if inventory.gpus[j] != OWN_NUMBERS else servers.name(j)) for j in near]


def _one_more(plan: Plan, kind: _Kind, quantity: Quantity) -> WhatIf:
    """Return the goal's quantity with one more machine, which may also stay unused."""
    inventory, blocks = enlarged(plan, kind.server), plan.composition.placement
    start = Placement(np.append(blocks.first_block, 0), np.append(blocks.block_count, 0))
    value, composition = plan.goal_value, plan.composition
    try:
        choice = shortly_improved(inventory, quantity, start)
    except NO_VALUE:  # the plan itself is still possible
        choice = None
    if choice is not None and quantity.sign * choice.value < quantity.sign * value:
        value, composition = choice.value, choice.composition
    return WhatIf(f"one more {kind.name}", "one more", kind.server, value, _tokens_per_s(composition))


def enlarged(plan: Plan, server: int) -> Inventory:
    """Return the plan's members and a copy of a server of the inventory.

    The copy is as far from that server as the nearest other one.
    """
    inventory = plan.inventory.only(np.append(plan.members, server))
    servers = inventory.servers
    names = (*servers.names[:-1], f"{NEW_NAME} {servers.names[-1]}")
    rtt_s = servers.rtt_s
    if rtt_s is not None and len(servers) > 2:
        rtt_s = rtt_s.copy()
        twin = np.flatnonzero(plan.members == server)
        others = np.setdiff1d(np.arange(len(servers) - 1), twin)
        rtt_s[-1, twin] = rtt_s[twin, -1] = rtt_s[-1, others].min()
    return replace(inventory, servers=replace(servers, names=names, rtt_s=rtt_s))
