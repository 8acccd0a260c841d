"""Plans: the best one for an inventory, or one made from a layout that already runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from evaluators.queueing.bound import rate_bound_per_s, response_bound_s
from planner.choice.candidates import NO_VALUE, Choice, best
from planner.choice.chains.ends import Reservation
from planner.choice.cheapest import cheapest_members
from planner.choice.improvement import improved
from planner.choice.prediction import is_exact, loaded, predict
from planner.choice.quantity import Quantity, quantity_of
from planner.choice.sharing.sustained import MANY, best_sustained
from planner.choice.speed import SpeedForUsers
from planner.inventory.goals import Cheapest, Goal, LargestRate
from planner.inventory.inventory import Inventory
from planner.results import Certificate, Plan, Restriction
from system import Composition, InfeasibleError, Placement, System

QUANTILES = (0.5, 0.95, 0.99)


def plan(inventory: Inventory, seed: int = 0) -> Plan:
    """Return the best composition of an inventory under its goal, with its predicted times.

    `seed` seeds the jobs of a workload that has to be simulated.

    Raises `InfeasibleError` or `UnstableError` if there is none; the message names what is missing.
    """
    quantity = quantity_of(inventory, seed)
    best_plan = _with_ends(inventory, quantity, lambda lowered: _of_memory(lowered, quantity, seed))
    return _restricted(inventory, best_plan, quantity, seed)


def _with_ends(inventory: Inventory, quantity: Quantity, planned: Callable[[Inventory], Plan]) -> Plan:
    """Return a plan whose servers also have memory for embedding and head."""
    reservation = _reservation(inventory, quantity)
    while True:
        try:
            best_plan = planned(reservation.lowered())
        except InfeasibleError as error:
            raise reservation.explained(error) from error
        larger = reservation.after(best_plan.composition, best_plan.members)
        if larger is None:
            return best_plan
        reservation = larger


def _reservation(inventory: Inventory, quantity: Quantity) -> Reservation:
    """Return the memory for embedding and head that the best c needs.

    It is known before a long search.
    """
    reservation = Reservation.of(inventory)
    if inventory.model.head_gb == inventory.model.embedding_gb == 0 or isinstance(quantity, SpeedForUsers):
        return reservation  # chains for users keep this memory where they can
    everyone = np.arange(len(inventory.servers))
    while True:
        try:
            composition = best(reservation.lowered(), quantity).composition
        except NO_VALUE:  # the plan itself says what is missing
            return reservation
        larger = reservation.after(composition, everyone)
        if larger is None:
            return reservation
        reservation = larger


def _of_memory(inventory: Inventory, quantity: Quantity, seed: int) -> Plan:
    """Return the best plan for an inventory whose memory holds blocks and caches only."""
    members = np.arange(len(inventory.servers))
    if isinstance(inventory.goal, Cheapest):
        members = cheapest_members(inventory, inventory.goal, seed)
    return _new_plan(inventory, members, quantity, seed)


def _new_plan(inventory: Inventory, members: NDArray[np.int64], quantity: Quantity, seed: int) -> Plan:
    return _predicted(inventory, members, improved(inventory.only(members), quantity), quantity, seed)


def _restricted(inventory: Inventory, best_plan: Plan, quantity: Quantity, seed: int) -> Plan:
    """Return a plan with what it costs that its engine can start all chains.

    With very many servers, the plan for any engine is that of the best c.
    """
    engine, members = inventory.engine, best_plan.members
    if not engine.own_servers:
        return best_plan

    def of_any_engine(lowered: Inventory) -> Plan:
        if members.size < MANY:
            return _new_plan(lowered, members, quantity, seed)
        return _predicted(lowered, members, best(lowered.only(members), quantity), quantity, seed)

    of_any = _with_ends(replace(inventory, engine=replace(engine, own_servers=False)), quantity, of_any_engine)
    ours, others = _comparable_values(best_plan, of_any)
    # Chains of their own are chains for any engine, too.
    value_of_any = min(ours, others, key=lambda value: quantity.sign * value)
    return replace(best_plan, restriction=Restriction(engine.name, ours, value_of_any))


def _comparable_values(first: Plan, second: Plan) -> tuple[float, float]:
    """Return the values of two plans for the same goal under the same evaluator.

    Times are those with shared computation where both plans have them.
    """
    goal, computations = first.inventory.goal, (first.computation, second.computation)
    shared = [computation.prediction for computation in computations if computation is not None]
    if isinstance(goal, LargestRate) or len(shared) < 2 or shared[0] is None or shared[1] is None:
        return first.goal_value, second.goal_value
    return shared[0].time_s(goal.quantile), shared[1].time_s(goal.quantile)


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
    if isinstance(quantity, SpeedForUsers):
        choice, computation = proposed, None
        rate_per_s, user_speed = quantity.open_rate_per_s(choice.composition), quantity.speed(choice.composition)
    else:
        kept, user_speed = best_sustained(inventory, proposed, quantity, quantiles, seed), None
        choice, computation = kept.choice, kept.computation
        rate_per_s = quantity.rate_per_s or choice.value
    chains = loaded(choice.composition, rate_per_s)
    prediction = predict(chains, inventory.workload, quantiles, inventory.service.model, seed)
    is_certain = is_exact(chains, inventory.workload, inventory.service.model) and inventory.forwarding == "hub"
    return Plan(
        inventory=inventory,
        members=members,
        composition=chains,
        prediction=prediction,
        candidates=choice.candidates,
        search=choice.search,
        certificate=certify(chains.system) if is_certain else None,
        computation=computation,
        user_speed=user_speed,
    )


def certify(system: System) -> Certificate:
    """Return what no plan for the servers of a system can beat."""
    return Certificate(response_bound_s(system), rate_bound_per_s(system))
