"""Simulation of jobs under equation (2), on any layout and on chains given as plain arrays."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.dispatch.jffc import JFFC
from evaluators.admission.chains import ChainTable
from evaluators.admission.heap import empty_heap
from evaluators.admission.start import (
    Admission,
    admission_for,
    admission_to_chains,
    check_all_started,
    check_rule,
    rule_error,
    served_by,
    with_more_room,
)
from evaluators.simulation import jobs_loop
from evaluators.simulation.answers import IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.stability import first_check
from system.checks import float_array, float_vector, require, whole_vector
from system.dispatch import Dispatch
from system.errors import UnstableError
from system.layout import Layout
from system.response import JobTimes
from system.routing import FlowRouting, Routing
from workloads.jobs import Jobs

Floats = NDArray[np.float64]
NO_HOPS = (np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))


def simulate(
    jobs: Jobs,
    mean_service_s: ArrayLike,
    capacities: ArrayLike,
    dispatch: Dispatch = JFFC,
    coefficients_s: ArrayLike | None = None,
) -> JobTimes:
    """Serve `jobs` on chains under a dispatch policy.

    The chains have `mean_service_s` (K,), ascending, and `capacities` (K,). With `coefficients_s` (K, 3) a job's
    service time is `size * coefficients_s @ (1, input tokens, output tokens - 1)`; without them it is
    `size * mean_service_s`. Every job is served to its end, whether or not the chains are stable. Raises `InputError`
    if the policy answers with a chain that does not exist, lets jobs wait for ever, or is prepared for servers.
    """
    table = chain_table(mean_service_s, capacities, dispatch, coefficients_s)
    return _serve_all(admission_to_chains(dispatch, table, jobs.uniform), jobs)


def simulate_jobs(layout: Layout, jobs: Jobs, stop_unstable: bool = False, request_delay_s: float = 0.0) -> JobTimes:
    """Serve `jobs` on a layout; each takes `request_delay_s` before its first hop.

    With `stop_unstable`, raises `UnstableError` once jobs leave more slowly than they come. Raises `InputError` if the
    layout's rule is broken.
    """
    check_after = _first_check(layout, len(jobs), request_delay_s) if stop_unstable else 0
    return _serve_all(admission_for(layout, jobs, request_delay_s), jobs, check_after, layout, request_delay_s)


def _first_check(layout: Layout, job_count: int, request_delay_s: float) -> int:
    """Return the number of arrivals before the first check for instability; 0 means never.

    There is no check if condition (4) alone decides whether a run is stable. If only the policy, which may leave
    capacity idle, or the delay, which (4) leaves out, can make a run unstable, it is checked at the last arrival.
    """
    if layout.rule is None or is_decided(layout.rule, request_delay_s):
        return 0
    if not np.isnan(layout.load):
        return job_count
    return first_check_of_servers(layout)


def is_decided(rule: Dispatch | Routing | FlowRouting, request_delay_s: float) -> bool:
    """Return whether condition (4) alone decides if runs under a rule are stable."""
    return rule.work_conserving and request_delay_s == 0


def first_check_of_servers(layout: Layout) -> int:
    """Return the number of arrivals before the first check whether servers are overloaded."""
    return first_check(int(layout.slots_used().sum()), layout.system.model.block_count)


def _serve_all(
    admission: Admission,
    jobs: Jobs,
    check_after: int = 0,
    layout: Layout | None = None,
    request_delay_s: float = 0.0,
) -> JobTimes:
    """Serve all jobs and return their times.

    With `check_after` above 0, raises `UnstableError` if the run of the layout is unstable.
    """
    n = len(jobs)
    record, progress = empty_record(n, np.full(n, np.inf) if check_after else np.empty(0)), empty_progress(admission)
    rest = record, progress, False, check_after, request_delay_s
    while (answer := advance(admission, jobs, *rest)) == NEEDS_ROOM:
        admission = with_more_room(admission)
    check_rule(answer, admission)
    arrived, started = progress.counts.tolist()
    if answer == IS_UNSTABLE and layout is not None and started > 0:
        raise unstable_run(layout, arrived, n)
    check_all_started(started, arrived, admission)
    return JobTimes(jobs.arrival_s, *record[:4], **served_by(admission))


def unstable_run(layout: Layout, arrived: int, job_count: int, explanation: str = "") -> UnstableError:
    """Return the error for a run that proves unstable after `arrived` arrivals.

    An `explanation` should end with a remedy.
    """
    if not explanation:
        is_policy = layout.load < 1  # NaN for routes
        explanation = _policy_explanation(layout) if is_policy else "lower the rate or add servers"
    return UnstableError(
        f"arrival_rate_per_s = {layout.system.arrival_rate_per_s:g}: jobs leave more slowly than they come, seen after "
        f"{arrived} of {job_count} arrivals; {explanation}"
    )


def _policy_explanation(layout: Layout) -> str:
    """Say that a policy leaves capacity idle, or that jobs are delayed."""
    name = "" if layout.rule is None else layout.rule.name
    if layout.rule is not None and layout.rule.work_conserving:
        return "all chains together are fast enough only without request_delay_s; lower the rate or that delay"
    return (
        f"all chains together are fast enough, but dispatch = {name} leaves capacity idle; lower the rate or use "
        "another policy"
    )


def advance(
    admission: Admission,
    jobs: Jobs,
    record: jobs_loop.JobLog,
    progress: jobs_loop.Progress,
    more_follow: bool = False,
    check_after: int = 0,
    request_delay_s: float = 0.0,
) -> int:
    """Run the loop for the state of the admission; return its answer.

    Raises `InputError` if the rule raises an exception or answers with a delay that is no time.
    """
    loop = jobs_loop.LOOPS[type(admission.state)]
    arrivals = jobs_loop.Arrivals(jobs.arrival_s, jobs.size, jobs.lengths, request_delay_s)
    try:
        answer: int = loop(*admission, arrivals, record, progress, more_follow, check_after)
    except Exception as error:
        raise rule_error(admission, error) from error
    return answer


def empty_record(job_count: int, end_s: Floats) -> jobs_loop.JobLog:
    """Return a record for `job_count` jobs, none of which has started."""
    times_s = [np.empty(job_count) for _ in range(4)]
    return jobs_loop.JobLog(times_s[0], times_s[1], times_s[2], times_s[3], end_s)


def empty_progress(admission: Admission) -> jobs_loop.Progress:
    """Return the progress before the first event."""
    return jobs_loop.Progress(np.zeros(2, np.int64), empty_heap(admission.started.size))


def chain_table(
    mean_service_s: ArrayLike, capacities: ArrayLike, dispatch: Dispatch, coefficients_s: ArrayLike | None
) -> ChainTable:
    """Return chains in the form that admission needs.

    The arguments are those of `simulate`. Raises `InputError` if they do not describe chains.
    """
    remedy = "is prepared for the servers of a layout; use simulate_layout"
    require(dispatch.settings_of is None, "dispatch", dispatch.name, remedy)
    capacity = whole_vector("capacities", capacities, minimum=1)
    mean = float_vector("mean_service_s", mean_service_s, np.finfo(float).tiny)
    require(mean.size > 0, "mean_service_s", "[]", "give at least one chain")
    size = f"array of size {capacity.size}"
    require(mean.size == capacity.size, "capacities", size, f"give {mean.size}, one per chain")
    require(bool(np.all(np.diff(mean) >= 0)), "mean_service_s", "not ascending", "give the chains fastest first")
    coefficients = _coefficients(mean, coefficients_s)
    return ChainTable(capacity, 1 / mean, dispatch.settings, coefficients, *NO_HOPS, dispatch.looks == "events")


def _coefficients(mean_service_s: Floats, coefficients_s: ArrayLike | None) -> Floats:
    if coefficients_s is None:
        return np.ascontiguousarray(np.column_stack([mean_service_s, np.zeros((mean_service_s.size, 2))]))
    table = float_array("coefficients_s", coefficients_s)
    require(
        table.shape == (mean_service_s.size, 3),
        "coefficients_s",
        f"array of shape {table.shape}",
        f"must have shape ({mean_service_s.size}, 3)",
    )
    float_vector("coefficients_s", table.ravel())
    return table
