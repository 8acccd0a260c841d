"""Plans: the best one for an inventory, or one made from a layout that already runs."""

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from evaluators.queueing.bound import rate_bound_per_s, response_bound_s
from planner.choice.candidates import Choice
from planner.choice.cheapest import cheapest_members
from planner.choice.improvement import improved
from planner.choice.prediction import is_exact, loaded, predict
from planner.choice.quantity import quantity_of
from planner.choice.speed import SpeedForUsers
from planner.inventory.goals import Cheapest, Goal
from planner.inventory.inventory import Inventory
from planner.results import Certificate, Plan
from system import Composition, InfeasibleError, Placement, System

QUANTILES = (0.5, 0.95, 0.99)


def plan(inventory: Inventory, seed: int = 0) -> Plan:
    """Return the best composition of an inventory under its goal, with its predicted times.

    `seed` seeds the jobs of a workload that has to be simulated.

    Raises `InfeasibleError` or `UnstableError` if there is none; the message names what is missing.
    """
    quantity = quantity_of(inventory, seed)
    members = np.arange(len(inventory.servers))
    if isinstance(inventory.goal, Cheapest):
        members = cheapest_members(inventory, inventory.goal, seed)
    return _predicted(inventory, members, improved(inventory.only(members), quantity), seed)


def plan_of_layout(inventory: Inventory, layout: Placement | Composition, seed: int = 0) -> Plan:
    """Return a plan without candidates for a layout that already runs on all servers.

    If the layout is a placement, GCA allocates its cache to chains. The rate is the inventory's, or under the goal
    `LargestRate` the largest that the layout carries. Raises as `plan` does.
    """
    members = np.arange(len(inventory.servers))
    composition = layout if isinstance(layout, Composition) else gca(inventory.system(1.0), layout)
    value = quantity_of(inventory, seed).value(composition)
    if value is None:
        raise InfeasibleError("no rate, however small, meets the SLO with this layout; raise slo_s")
    return _predicted(inventory, members, Choice(composition, value, ()), seed)


def quantiles_of(goal: Goal) -> tuple[float, ...]:
    """Return the quantiles of every prediction and that of the goal, ascending."""
    return tuple(sorted({*QUANTILES} if goal.quantile is None else {*QUANTILES, goal.quantile}))


def _predicted(inventory: Inventory, members: NDArray[np.int64], choice: Choice, seed: int) -> Plan:
    quantity, user_speed = quantity_of(inventory, seed), None
    rate_per_s = quantity.rate_per_s or choice.value
    if isinstance(quantity, SpeedForUsers):
        rate_per_s, user_speed = quantity.open_rate_per_s(choice.composition), quantity.speed(choice.composition)
    chains, quantiles = loaded(choice.composition, rate_per_s), quantiles_of(inventory.goal)
    prediction = predict(chains, inventory.workload, quantiles, inventory.service.model, seed)
    is_certain = is_exact(chains, inventory.workload, inventory.service.model) and inventory.forwarding == "hub"
    certificate = certify(chains.system) if is_certain else None
    return Plan(inventory, members, chains, prediction, choice.candidates, choice.search, certificate, user_speed)


def certify(system: System) -> Certificate:
    """Return what no plan for the servers of a system can beat."""
    return Certificate(response_bound_s(system), rate_bound_per_s(system))
