"""The same servers used in other ways at the same rate, so that the gain of a plan can be seen."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.bprr import Bprr
from algorithms.equal_split import equal_split
from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.whole_model import whole_model
from algorithms.routing.links import RoutedComposition
from planner.choice.candidates import best, best_of
from planner.choice.prediction import loaded, predict
from planner.choice.quantity import Quantity, quantity_of, value_or_none
from planner.results import Alternative, Plan, Prediction
from system import Composition, InfeasibleError, InputError, NotApplicableError, RandomStreams, System
from system.layout import Layout
from workloads.synthetic import SyntheticWorkload
from workloads.workload import Workload

ChainsWay = Callable[[Plan, Quantity], tuple[str, Composition]]
RoutesWay = Callable[[System, np.random.Generator], RoutedComposition]

ROUTED_JOBS = 20_000  # of a workload that is made of random numbers


def compare_alternatives(plan: Plan, seed: int = 0) -> tuple[Alternative, ...]:
    """Each with its prediction at the plan's rate, or the reason why it has none.

    Under the goal `LargestRate` the name of one with chains says what it carries under the SLO. Beside a layout that
    already runs (a plan without candidates) the first one is what a new plan would give.
    """
    quantity = quantity_of(plan.inventory, seed)
    ways = {"whole model per server": _whole_model, "equal split": _equal_split}
    if not plan.candidates:
        ways = {"new plan": _new_plan, **ways}
    return (
        *(_of_chains(name, way, plan, quantity, seed) for name, way in ways.items()),
        _of_routes("PETALS", _petals, plan, seed),
        _of_routes("BPRR", _bprr, plan, seed),
    )


def _of_chains(name: str, way: ChainsWay, plan: Plan, quantity: Quantity, seed: int) -> Alternative:
    """What it is goes into its name, also where it does not carry the plan's rate."""
    try:
        detail, composition = way(plan, quantity)
        details = ", ".join(filter(None, [detail, _carries(composition, quantity)]))
        name += f" ({details})" if details else ""
        layout = loaded(composition, plan.prediction.rate_per_s)
        return Alternative(name, _predicted(layout, plan, plan.inventory.workload, seed))
    except InputError as error:
        return Alternative(name, None, str(error))


def _predicted(layout: Layout, plan: Plan, workload: Workload, seed: int) -> Prediction:
    """Predict the times of the plan's requests on another layout."""
    return predict(layout, workload, tuple(plan.prediction.quantiles_s), plan.inventory.service.model, seed)


def _carries(composition: Composition, quantity: Quantity) -> str:
    """What it carries under the SLO, if that is the goal."""
    if quantity.sign > 0:
        return ""
    rate_per_s = value_or_none(quantity, composition)
    return "does not meet the SLO" if rate_per_s is None else f"up to {rate_per_s:.4g}/s under the SLO"


def _new_plan(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    composition = best(plan.inventory.only(plan.members), quantity).composition
    return f"c = {composition.placement.reserved_capacity}", composition


def _whole_model(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    system = plan.composition.system
    return "", gca(system, whole_model(system, 1))


def _equal_split(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    """With the number of stages that serves the goal best."""
    system = plan.composition.system
    composed = {}
    for stages in range(1, min(len(system.servers), system.model.block_count) + 1):
        with suppress(InfeasibleError):
            composed[stages] = equal_split(system, stages)
    if not composed:
        raise InfeasibleError(
            "with any number of equal stages there are fewer servers with the memory for a stage and one request's "
            "cache than stages"
        )
    found = best_of(composed, quantity).composition
    stages = next(number for number, composition in composed.items() if composition is found)
    return f"{stages} stage{'s' * (stages > 1)}", found


def _of_routes(name: str, way: RoutesWay, plan: Plan, seed: int) -> Alternative:
    """Simulated with as many jobs as the workload has, or `ROUTED_JOBS` of the theory's."""
    workload = plan.inventory.workload
    if isinstance(workload, SyntheticWorkload):
        workload = replace(workload, job_count=ROUTED_JOBS)
    try:
        layout = way(plan.composition.system, RandomStreams(seed).cluster("placement"))
        return Alternative(name, _predicted(layout, plan, workload, seed))
    except InputError as error:
        return Alternative(name, None, str(error))


def _petals(system: System, rng: np.random.Generator) -> RoutedComposition:
    if system.servers.orchestrator_rtt_s is None or system.servers.rtt_s is None:
        raise NotApplicableError(
            "PETALS routes by the round-trip times between servers, which the inventory does not give; "
            "name a region for every server"
        )
    return Petals(PetalsPlacement()).compose(system, rng)


def _bprr(system: System, rng: np.random.Generator) -> RoutedComposition:
    return Bprr().compose(system, rng)
