"""From an inventory to a plan, and a layout that already runs as a plan."""

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from planner.choice.candidates import best
from planner.choice.cheapest import cheapest_members
from planner.choice.prediction import loaded, predict
from planner.choice.quantity import quantity_of
from planner.inventory.goals import Cheapest, Goal
from planner.inventory.inventory import Inventory
from planner.results import Candidate, Plan
from system import Composition, InfeasibleError, Placement

QUANTILES = (0.5, 0.95, 0.99)


def plan(inventory: Inventory, seed: int = 0) -> Plan:
    """The best composition of an inventory under its goal, with its predicted response times.

    Raises `InfeasibleError` or `UnstableError`, with what is missing, if there is none. `seed` is that of the jobs of a
    workload that has to be simulated.
    """
    quantity = quantity_of(inventory, seed)
    members = np.arange(len(inventory.servers))
    if isinstance(inventory.goal, Cheapest):
        members = cheapest_members(inventory, inventory.goal, seed)
    found = best(inventory.only(members), quantity)
    return _predicted(inventory, members, found.composition, found.value, seed, found.candidates)


def running(inventory: Inventory, layout: Placement | Composition, seed: int = 0) -> Plan:
    """A layout that already runs on all servers of the inventory, as a plan without candidates.

    The cache of a placement is allocated to chains by GCA. At the inventory's rate, or under the goal `LargestRate` at
    the largest that the layout carries. Raises as `plan` does.
    """
    members = np.arange(len(inventory.servers))
    composition = layout if isinstance(layout, Composition) else gca(inventory.system(1.0), layout)
    value = quantity_of(inventory, seed).value(composition)
    if value is None:
        raise InfeasibleError("no rate, however small, meets the SLO with this layout; raise slo_s")
    return _predicted(inventory, members, composition, value, seed)


def quantiles_of(goal: Goal) -> tuple[float, ...]:
    """The quantiles that every prediction gives, with that of the goal, ascending."""
    return tuple(sorted({*QUANTILES} if goal.quantile is None else {*QUANTILES, goal.quantile}))


def _predicted(
    inventory: Inventory,
    members: NDArray[np.int64],
    composition: Composition,
    value: float,
    seed: int,
    candidates: tuple[Candidate, ...] = (),
) -> Plan:
    rate_per_s = quantity_of(inventory, seed).rate_per_s or value
    chains, quantiles = loaded(composition, rate_per_s), quantiles_of(inventory.goal)
    prediction = predict(chains, inventory.workload, quantiles, inventory.service.model, seed)
    return Plan(inventory, members, chains, prediction, candidates)
