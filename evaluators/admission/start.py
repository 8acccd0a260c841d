"""The state of admission before the first arrival, by the rule of a layout."""

from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.routing.links import RoutedComposition
from algorithms.routing.weighted import flow_weighted, least_free, usable_weights
from evaluators.admission.chains import NO_SUCH_CHAIN, Chains, ChainTable, empty_chains, head_of
from evaluators.admission.routes import NO_PATH
from evaluators.admission.routes_state import (
    BY_PLAN,
    BY_REAL_ENDS,
    NOT_LISTED,
    Graph,
    Routes,
    Sizes,
    Weights,
    empty_routes,
    with_longer_lists,
)
from system.code.signatures import AnswerError, run_error
from system.composition import Composition
from system.dispatch import Dispatch
from system.errors import InputError, NotApplicableError
from system.layout import Layout
from system.routing import OCCUPANCIES, WAITING, FlowRouting, Routing
from system.words import counted
from workloads.jobs import Jobs


class Admission(NamedTuple):
    """A rule's compiled function, its state, and an array for the jobs that start at one instant."""

    rule: Callable[..., float]
    state: Chains | Routes
    started: NDArray[np.int64]


@singledispatch
def _admission(rule: object, layout: Layout, jobs: Jobs, request_delay_s: float) -> Admission:
    raise no_policy()


def no_policy() -> InputError:
    """Return the error for chains without a dispatch policy."""
    return InputError("rule = None: chains need a policy that picks one for each job; use composition.under(dispatch)")


def admission_for(layout: Layout, jobs: Jobs, request_delay_s: float = 0.0) -> Admission:
    """Return the admission before the first arrival.

    Each job takes `request_delay_s` before its first hop. Raises `InputError` for chains without a dispatch policy.
    """
    return _admission(layout.rule, layout, jobs, request_delay_s)


@_admission.register
def _to_chains(rule: Dispatch, layout: Layout, jobs: Jobs, request_delay_s: float) -> Admission:
    return admission_to_chains(rule, table_of(layout.composition(), rule), jobs.uniform)


def table_of(chains: Composition, rule: Dispatch) -> ChainTable:
    """Return the table of a composition's chains."""
    times = chains.service_rate_per_s, rule.settings_for(chains), chains.job_coefficients_s
    hops = chains.hop_start, chains.hop_server, chains.hop_blocks
    return ChainTable(chains.capacity, *times, *hops, rule.looks == "events")


def admission_to_chains(rule: Dispatch, table: ChainTable, uniform: NDArray[np.float64]) -> Admission:
    """Return the admission to chains for n jobs with random numbers `uniform` (n,)."""
    most = min(int(table.capacity.sum()), uniform.size) if table.looks_at_ends else uniform.size
    return Admission(rule.policy, empty_chains(table, uniform, most), np.empty(most, np.int64))


def require_steps(layout: Layout, runs: str) -> None:
    """Raise `NotApplicableError` if a layout's jobs cannot be served in steps.

    `runs` says what serves them. The policy must be called after every event, ends must not be foreseen, and jobs must
    not be charged for blocks that they do not run.
    """
    looks = getattr(layout.rule, "looks", "events")
    if looks != "events":
        raise NotApplicableError(
            f"looks = {looks}: {runs} call the policy after every event; use dispatch=jffc, or "
            "service=independent with evaluator=simulation"
        )
    if isinstance(layout.rule, Routing) and layout.rule.foreseen:
        raise NotApplicableError(
            f"foreseen = true: {runs} cannot know when jobs will end; use foreseen=false, or service=independent with "
            "evaluator=simulation"
        )
    if isinstance(layout, Composition) and layout.charges_extra:
        raise NotApplicableError(
            f"allocation: its jobs take the time and slots of blocks that they do not run, but {runs} run every block; "
            "use allocation=gca, or service=independent with evaluator=simulation"
        )


@_admission.register
def _over_routes(rule: Routing, layout: RoutedComposition, jobs: Jobs, request_delay_s: float) -> Admission:
    graph = Graph(
        *layout.links,
        layout.cost_s.copy(),  # the loss of a server makes its costs infinite
        layout.job_coefficients_s,
        layout.mean_service_s,
        layout.exit_s,
        layout.placement.block_count,
        rule.settings,
        WAITING.index(rule.waiting),
        float(rule.refresh_s),
        OCCUPANCIES.index(rule.occupancy),
        float(rule.initial_delay_s),
        bool(rule.delay_is_wait),
        _unseen(rule),
    )
    known = (jobs.size, jobs.lengths) if rule.foreseen else (np.empty(0), np.empty((0, 2)))
    routes = empty_routes(graph, layout.slots, layout.most_hops, len(jobs), Sizes(*known, request_delay_s))
    return Admission(rule.delay, routes, np.empty(len(jobs), np.int64))


@_admission.register
def _by_weights(rule: FlowRouting, layout: RoutedComposition, jobs: Jobs, request_delay_s: float) -> Admission:
    """Return the admission of jobs that walk by weights and wait centrally."""
    weights = usable_weights(layout, rule)
    source, nodes = layout.links.source, len(layout.system.servers) + 1
    begin, count = np.zeros(nodes, np.int64), np.bincount(source, minlength=nodes)
    leaving, first = np.unique(source, return_index=True)  # the links out of a node stand together
    begin[leaving] = first
    work = np.maximum(jobs.lengths, (1.0, 0.0))
    central = Routing(flow_weighted, "central")
    admission = _over_routes(central, layout, jobs, request_delay_s)
    assert isinstance(admission.state, Routes)
    admission.state.graph.cost_s[weights == 0] = np.inf
    by_weights = Weights(weights, np.zeros(source.size), begin, begin + count, least_free(layout, rule), work)
    return admission._replace(state=admission.state._replace(weights=by_weights))


def _unseen(rule: Routing) -> int:
    """Return the kind of the second list of jobs at the servers."""
    if rule.foreseen:
        return BY_REAL_ENDS
    plans = rule.waiting == "planned" and not rule.delay_is_wait
    return BY_PLAN if plans and rule.occupancy != "believed_without_wait" else NOT_LISTED


def with_more_room(admission: Admission) -> Admission:
    """Return the admission over routes with room for more listed jobs."""
    assert isinstance(admission.state, Routes)
    return admission._replace(state=with_longer_lists(admission.state))


def served_by(admission: Admission) -> dict[str, Any]:
    """Return the chain of every job and the number of chains; empty over routes.

    All jobs must have started.
    """
    if isinstance(admission.state, Routes):
        return {}
    return {"chain": admission.state.chain, "chain_count": admission.state.capacity.size}


def check_all_started(started: int, job_count: int, admission: Admission) -> None:
    """Raise `InputError` if jobs still wait although no event is to come."""
    if started < job_count:
        parts = "servers" if isinstance(admission.state, Routes) else "chains"
        raise never_starts(f"{_field(admission)} = {admission.rule.__name__}", job_count - started, parts)


def never_starts(rule: str, waiting: int, parts: str = "chains") -> InputError:
    """Return the error for jobs that wait beside idle chains."""
    remedy = f"it must let a job start when all {parts} are idle"
    return InputError(f"{rule}: leaves {counted(waiting, 'job')} waiting beside idle {parts}; {remedy}")


def check_rule(answer: int, admission: Admission, number: NDArray[np.int64] | None = None) -> None:
    """Raise `InputError` if `core.decide` has reported that the rule is broken.

    `number` gives the number of each job of the state where the state counts jobs differently.
    """
    rule = f"{_field(admission)} = {admission.rule.__name__}"
    if answer == NO_SUCH_CHAIN and isinstance(admission.state, Chains):
        count, chain, head = admission.state.capacity.size, admission.state.answer[0], head_of(admission.state)
        job = head if number is None else number[head]
        raise InputError(f"{rule}: answers {chain} for job {job}; must answer with a chain below {count} or with -1")
    if answer == NO_PATH:
        raise InputError(f"{rule}: leaves a job without a path; it must be finite somewhere")


def rule_error(admission: Admission, error: Exception) -> InputError:
    """Return the error for a rule that stopped a loop."""
    state, field, name = admission.state, _field(admission), admission.rule.__name__
    if isinstance(error, AnswerError) and isinstance(state, Routes):
        delay_s, server = state.room.to_end_s[0], state.graph.target[state.room.next_link[0]]
        return InputError(f"{field} = {name}: answers {delay_s:g} s for server {server}; must answer 0 s or more")
    return run_error(field, name, error)


def _field(admission: Admission) -> str:
    """Return the name of the rule's field."""
    if isinstance(admission.state, Routes):
        return "delay" if admission.state.weights.weight.size == 0 else "routing"
    return "dispatch"
