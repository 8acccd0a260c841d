"""Alternatives to a plan: other uses of the same servers at the same rate, to show what the plan gains."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

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
from planner.choice.quantity import Quantity, RateUnderSlo, value_or_none
from planner.choice.sharing.capped import quantity_of_plan
from planner.results import Alternative, Plan, Prediction
from planner.study.comparisons import Comparisons, routed_workload
from system import Composition, InfeasibleError, InputError, NotApplicableError, Placement, RandomStreams, System
from system.layout import Layout
from system.words import counted
from workloads.workload import Workload

ComposeChains = Callable[[Plan, Quantity], tuple[str, Composition]]  # with details for the name
ComposeRoutes = Callable[[System, np.random.Generator], RoutedComposition]


def compare_alternatives(plan: Plan, seed: int = 0) -> tuple[Alternative, ...]:
    """Return each alternative with its prediction at the plan's rate.

    An alternative without a prediction has the reason instead.

    Under the goal `LargestRate` the name of an alternative with chains includes the largest rate that it carries under
    the SLO. The first alternative to a plan that the search found is that of the best c. If the plan is a layout that
    already runs (it has no candidates), the first alternative is a new plan.
    """
    quantity, comparisons = quantity_of_plan(plan, seed), Comparisons(plan, seed)
    schemes = {"whole model per server": _whole_model, "equal split": _equal_split}
    if not plan.candidates:
        schemes = {"new plan": _new_plan, **schemes}
    if plan.is_searched:
        schemes = {"one reservation": _one_c, **schemes}
    own_blocks: tuple[Alternative, ...] = ()
    if not plan.inventory.engine.keeps_to_chains:
        own_blocks = (
            _with_routes("these blocks, PETALS' paths", _petals_over(plan.composition.placement), comparisons),
        )
    return (
        *own_blocks,
        *(_with_chains(name, compose, quantity, comparisons) for name, compose in schemes.items()),
        _with_routes("PETALS", _petals, comparisons),
        _with_routes("BPRR", _bprr, comparisons),
    )


def _with_chains(name: str, compose: ComposeChains, quantity: Quantity, comparisons: Comparisons) -> Alternative:
    """Return an alternative with chains.

    Its name includes the details even if it does not carry the rate.
    """
    plan = comparisons.plan
    try:
        detail, composition = compose(plan, quantity)
        details = ", ".join(filter(None, [detail, _rate_under_slo(composition, quantity)]))
        name += f" ({details})" if details else ""
        value = value_or_none(quantity, composition) if plan.inventory.users is not None else None
        layout = loaded(composition, plan.prediction.rate_per_s)
        prediction = _predicted(layout, plan, plan.inventory.workload, comparisons.seed)
        return Alternative(name, prediction, comparison=comparisons.with_layout(layout, prediction), value=value)
    except InputError as error:
        return Alternative(name, None, str(error))


def _predicted(layout: Layout, plan: Plan, workload: Workload, seed: int) -> Prediction:
    """Predict the times of the plan's requests on another layout."""
    return predict(layout, workload, tuple(plan.prediction.quantiles_s), plan.inventory.service.model, seed)


def _rate_under_slo(composition: Composition, quantity: Quantity) -> str:
    """Return the largest rate under the SLO in words, if that is the goal."""
    if not isinstance(quantity, RateUnderSlo):
        return ""
    rate_per_s = value_or_none(quantity, composition)
    return "does not meet the SLO" if rate_per_s is None else f"up to {rate_per_s:.4g}/s under the SLO"


def _new_plan(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    choice = improved(plan.inventory.only(plan.members), quantity)
    if choice.search is not None and choice.search.is_better:
        return "searched", choice.composition
    return reserved(choice.composition), choice.composition


def _one_c(plan: Plan, quantity: Quantity) -> tuple[str, Composition]:
    composition = best(plan.inventory.only(plan.members), quantity).composition
    return reserved(composition), composition


def reserved(composition: Composition) -> str:
    """Return for how many requests every server reserves memory, in words."""
    return f"for {counted(composition.placement.reserved_capacity, 'request')}"


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


def _with_routes(name: str, compose: ComposeRoutes, comparisons: Comparisons) -> Alternative:
    """Return a simulated alternative with routes.

    The simulation has the jobs of the workload, or `ROUTED_JOBS` random ones if the workload is synthetic.
    """
    plan, seed = comparisons.plan, comparisons.seed
    try:
        layout = compose(plan.composition.system, RandomStreams(seed).cluster("placement"))
        prediction = _predicted(layout, plan, routed_workload(plan.inventory.workload), seed)
        return Alternative(name, prediction, comparison=comparisons.with_layout(layout, prediction))
    except InputError as error:
        return Alternative(name, None, str(error))


@dataclass(frozen=True)
class _Hosted(PetalsPlacement):
    """Blocks that are placed already, each server with the cache slots beside its blocks."""

    hosted: Placement = field(default_factory=lambda: Placement(np.empty(0, np.int64), np.empty(0, np.int64)))

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator) -> Placement:
        """Return the placement."""
        return self.hosted

    def slots(self, system: System) -> NDArray[np.int64]:
        """Return (J,) the cache slots of the servers."""
        return self.hosted.cache_slots(system)


def _petals(system: System, rng: np.random.Generator) -> RoutedComposition:
    return _routed_by_petals(PetalsPlacement(), system, rng)


def _petals_over(placement: Placement) -> ComposeRoutes:
    return partial(_routed_by_petals, _Hosted(hosted=placement))


def _routed_by_petals(placement: PetalsPlacement, system: System, rng: np.random.Generator) -> RoutedComposition:
    if system.servers.orchestrator_rtt_s is None or system.servers.rtt_s is None:
        raise NotApplicableError(
            "PETALS needs the round-trip times between servers, which the inventory does not give; add "
            "rtt_between_servers_ms, or give every server a link, such as link: 1gbe, or a region"
        )
    return Petals(placement, forwarding=system.forwarding).compose(system, rng)


def _bprr(system: System, rng: np.random.Generator) -> RoutedComposition:
    return Bprr(forwarding=system.forwarding).compose(system, rng)
