"""Plans: the best one for an inventory, or one made from a layout that already runs."""

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from evaluators.queueing.bound import rate_bound_per_s, response_bound_s
from planner.choice.candidates import Choice
from planner.choice.cheapest import cheapest_members
from planner.choice.improvement import improved
from planner.choice.prediction import is_exact, loaded, predict
from planner.choice.quantity import Quantity, quantity_of
from planner.choice.sustained import sustained
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
    available = inventory.only(members)
    return _predicted(inventory, members, improved(available, quantity), quantity, seed)


def plan_of_layout(inventory: Inventory, layout: Placement | Composition, seed: int = 0) -> Plan:
    """Return a plan without candidates for a layout that already runs on all servers.

    If the layout is a placement, GCA allocates its cache to chains. The rate is the inventory's, or under the goal
    `LargestRate` the largest that the layout carries. Raises as `plan` does.
    """
    members = np.arange(len(inventory.servers))
    composition = layout if isinstance(layout, Composition) else gca(inventory.system(1.0), layout)
    quantity = quantity_of(inventory, seed)
    value = quantity.value(composition)
    if value is None:
        raise InfeasibleError("no rate, however small, meets the SLO with this layout; raise slo_s")
    return _predicted(inventory, members, Choice(composition, value, ()), quantity, seed)


def quantiles_of(goal: Goal) -> tuple[float, ...]:
    """Return the quantiles of every prediction and that of the goal, ascending."""
    return tuple(sorted({*QUANTILES} if goal.quantile is None else {*QUANTILES, goal.quantile}))


def _predicted(
    inventory: Inventory, members: NDArray[np.int64], proposed: Choice, quantity: Quantity, seed: int
) -> Plan:
    quantiles = quantiles_of(inventory.goal)
    kept = sustained(inventory, proposed, quantity, quantiles, seed)
    choice = kept.choice
    chains = loaded(choice.composition, quantity.rate_per_s or choice.value)
    prediction = predict(chains, inventory.workload, quantiles, inventory.service.model, seed)
    is_certain = is_exact(chains, inventory.workload, inventory.service.model) and inventory.forwarding == "hub"
    certificate = certify(chains.system) if is_certain else None
    return Plan(inventory, members, chains, prediction, choice.candidates, choice.search, certificate, kept.computation)


def certify(system: System) -> Certificate:
    """Return what no plan for the servers of a system can beat."""
    return Certificate(response_bound_s(system), rate_bound_per_s(system))
