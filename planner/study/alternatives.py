"""Alternatives to a plan: other uses of the same servers at the same rate, to show what the plan gains."""

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
from planner.choice.improvement import improved
from planner.choice.prediction import loaded, predict
from planner.choice.quantity import Quantity, quantity_of, value_or_none
from planner.results import Alternative, Plan, Prediction
from system import Composition, InfeasibleError, InputError, NotApplicableError, RandomStreams, System
from system.layout import Layout
from workloads.synthetic import SyntheticWorkload
from workloads.workload import Workload

ComposeChains = Callable[[Plan, Quantity], tuple[str, Composition]]  # with details for the name
ComposeRoutes = Callable[[System, np.random.Generator], RoutedComposition]

ROUTED_JOBS = 20_000  # simulated for a routed scheme if the workload is random


def compare_alternatives(plan: Plan, seed: int = 0) -> tuple[Alternative, ...]:
    """Return each alternative with its prediction at the plan's rate.

    An alternative without a prediction has the reason instead.

    Under the goal `LargestRate` the name of an alternative with chains includes the largest rate that it carries under
    the SLO. The first alternative to a plan that the search found is that of the best c. If the plan is a layout that
    already runs (it has no candidates), the first alternative is a new plan.
    """
    quantity = quantity_of(plan.inventory, seed)
    schemes = {"whole model per server": _whole_model, "equal split": _equal_split}
    if not plan.candidates:
        schemes = {"new plan": _new_plan, **schemes}
    if plan.is_searched:
        schemes = {"one c for all": _one_c, **schemes}
    return (
        *(_with_chains(name, compose, plan, quantity, seed) for name, compose in schemes.items()),
        _with_routes("PETALS", _petals, plan, seed),
        _with_routes("BPRR", _bprr, plan, seed),
    )


def _with_chains(name: str, compose: ComposeChains, plan: Plan, quantity: Quantity, seed: int) -> Alternative:
    """Return an alternative with chains.

    Its name includes the details even if it does not carry the rate.
    """
    try:
        detail, composition = compose(plan, quantity)
        details = ", ".join(filter(None, [detail, _rate_under_slo(composition, quantity)]))
        name += f" ({details})" if details else ""
        layout = loaded(composition, plan.prediction.rate_per_s)
        return Alternative(name, _predicted(layout, plan, plan.inventory.workload, seed))
    except InputError as error:
        return Alternative(name, None, str(error))


def _predicted(layout: Layout, plan: Plan, workload: Workload, seed: int) -> Prediction:
    """Predict the times of the plan's requests on another layout."""
    return predict(layout, workload, tuple(plan.prediction.quantiles_s), plan.inventory.service.model, seed)


def _rate_under_slo(composition: Composition, quantity: Quantity) -> str:
    """Return the largest rate under the SLO in words, if that is the goal."""
    if quantity.sign > 0:
        return ""
    rate_per_s = value_or_none(quantity, composition)
    return "does not meet the SLO" if rate_per_s is None else f"up to {rate_per_s:.4g}/s under the SLO"


def _new_plan(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    choice = improved(plan.inventory.only(plan.members), quantity)
    if choice.search is not None and choice.search.is_better:
        return "searched", choice.composition
    return f"c = {choice.composition.placement.reserved_capacity}", choice.composition


def _one_c(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    composition = best(plan.inventory.only(plan.members), quantity).composition
    return f"c = {composition.placement.reserved_capacity}", composition


def _whole_model(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    system = plan.composition.system
    return "", gca(system, whole_model(system, 1))


def _equal_split(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    """Return the equal split with the number of stages that serves the goal best."""
    system = plan.composition.system
    composed = {}
    for stages in range(1, min(len(system.servers), system.model.block_count) + 1):
        with suppress(InfeasibleError):
            composed[stages] = equal_split(system, stages)
    if not composed:
        raise InfeasibleError(
            "whatever the number of equal stages, it exceeds the number of servers with the memory for a stage and one "
            "request's cache"
        )
    best_split = best_of(composed, quantity).composition
    stages = next(number for number, composition in composed.items() if composition is best_split)
    return f"{stages} stage{'s' * (stages > 1)}", best_split


def _with_routes(name: str, compose: ComposeRoutes, plan: Plan, seed: int) -> Alternative:
    """Return a simulated alternative with routes.

    The simulation has the jobs of the workload, or `ROUTED_JOBS` random ones if the workload is synthetic.
    """
    workload = plan.inventory.workload
    if isinstance(workload, SyntheticWorkload):
        workload = replace(workload, job_count=ROUTED_JOBS)
    try:
        layout = compose(plan.composition.system, RandomStreams(seed).cluster("placement"))
        return Alternative(name, _predicted(layout, plan, workload, seed))
    except InputError as error:
        return Alternative(name, None, str(error))


def _petals(system: System, rng: np.random.Generator) -> RoutedComposition:
    if system.servers.orchestrator_rtt_s is None or system.servers.rtt_s is None:
        raise NotApplicableError(
            "PETALS needs the round-trip times between servers, which the inventory does not give; add "
            "rtt_between_servers_ms, or give every server a link, such as link: 1gbe, or a region"
        )
    return Petals(PetalsPlacement(), forwarding=system.forwarding).compose(system, rng)


def _bprr(system: System, rng: np.random.Generator) -> RoutedComposition:
    return Bprr(forwarding=system.forwarding).compose(system, rng)
