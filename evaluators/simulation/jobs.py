"""Simulation of the jobs of equation (2): on any layout, and on chains given as plain arrays."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.dispatch.jffc import JFFC
from evaluators.admission.chains import ChainTable
from evaluators.admission.heap import empty_heap
from evaluators.admission.start import (
    Admission,
    admission_for,
    admission_to_chains,
    check_rule,
    served_by,
    with_more_room,
)
from evaluators.simulation import jobs_loop
from evaluators.simulation.answers import IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.stability import first_look
from system.checks import float_array, float_vector, require, whole_vector
from system.dispatch import Dispatch
from system.errors import UnstableError
from system.layout import Layout
from system.response import JobTimes
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
    """Serve `jobs` on chains with `mean_service_s` (K,), ascending, and `capacities` (K,) under a dispatch policy.

    With `coefficients_s` (K, 3) a job's service time is `size * coefficients_s @ (1, input tokens, output tokens - 1)`,
    without them it is `size * mean_service_s`. Every job is served to its end, whether or not the chains are stable.
    Raises `InputError` if the policy answers with a chain that is not there or lets jobs wait for ever.
    """
    table = chain_table(mean_service_s, capacities, dispatch, coefficients_s)
    return _serve_all(admission_to_chains(dispatch, table, jobs.uniform), jobs)


def simulate_jobs(layout: Layout, jobs: Jobs, stop_unstable: bool = False) -> JobTimes:
    """Serve `jobs` on a layout; with `stop_unstable` raise `UnstableError` once jobs leave more slowly than they come.

    Raises `InputError` if the layout's rule is broken.
    """
    look = _first_look(layout, len(jobs)) if stop_unstable else 0
    return _serve_all(admission_for(layout, jobs.uniform), jobs, look, layout)


def _first_look(layout: Layout, job_count: int) -> int:
    """Return after how many arrivals to look first: never (0) where (4) says whether a run is stable.

    At the last arrival where only the policy, which may waste slots, can make it unstable.
    """
    if layout.rule is None or layout.rule.work_conserving:
        return 0
    if not np.isnan(layout.load):
        return job_count
    return once_filled(layout)


def once_filled(layout: Layout) -> int:
    """Return after how many arrivals to look first at a run that its servers' use may make unstable."""
    return first_look(int(layout.slots_used().sum()), layout.system.model.block_count)


def _serve_all(admission: Admission, jobs: Jobs, look: int = 0, layout: Layout | None = None) -> JobTimes:
    """Serve all jobs and return their times; with a first `look` raise `UnstableError` if the layout is unstable."""
    n = len(jobs)
    record, progress = empty_record(n, np.full(n, np.inf) if look else np.empty(0)), empty_progress(admission)
    while (answer := advance(admission, jobs, record, progress, look=look)) == NEEDS_ROOM:
        admission = with_more_room(admission)
    check_rule(answer, admission)
    if answer == IS_UNSTABLE and layout is not None:
        raise unstable_run(layout, int(progress.counts[0]), n)
    check_all_started(int(progress.counts[1]), n, admission.rule)
    return JobTimes(jobs.arrival_s, *record[:4], **served_by(admission))


def unstable_run(layout: Layout, arrived: int, job_count: int, why: str = "") -> UnstableError:
    """Return the error for a run that is seen to be unstable after so many arrivals; `why` ends in what helps."""
    if not why:
        is_policy = layout.load < 1  # NaN for routes
        why = _of_policy(layout) if is_policy else "lower the rate or add servers"
    return UnstableError(
        f"arrival_rate_per_s = {layout.system.arrival_rate_per_s:g}: jobs leave more slowly than they come, seen after "
        f"{arrived} of {job_count}; {why}"
    )


def _of_policy(layout: Layout) -> str:
    """Say that a policy lets so many slots idle that the others cannot keep up."""
    name = "" if layout.rule is None else layout.rule.name
    return (
        f"all chains together are fast enough, but dispatch = {name} lets slots idle; lower the rate or take another "
        "policy"
    )


def advance(
    admission: Admission,
    jobs: Jobs,
    record: jobs_loop.JobLog,
    progress: jobs_loop.Progress,
    more_follow: bool = False,
    look: int = 0,
) -> int:
    """Run the loop for the state of the admission; return what it answers."""
    loop = jobs_loop.LOOPS[type(admission.state)]
    arrivals = jobs_loop.Arrivals(jobs.arrival_s, jobs.size, jobs.lengths)
    answer: int = loop(*admission, arrivals, record, progress, more_follow, look)
    return answer


def empty_record(job_count: int, end_s: Floats) -> jobs_loop.JobLog:
    """Return a record for so many jobs, none of which has started."""
    times_s = [np.empty(job_count) for _ in range(4)]
    return jobs_loop.JobLog(times_s[0], times_s[1], times_s[2], times_s[3], end_s)


def empty_progress(admission: Admission) -> jobs_loop.Progress:
    """Return the progress before the first event."""
    return jobs_loop.Progress(np.zeros(2, np.int64), empty_heap(admission.started.size))


def chain_table(
    mean_service_s: ArrayLike, capacities: ArrayLike, dispatch: Dispatch, coefficients_s: ArrayLike | None
) -> ChainTable:
    """Return chains as admission wants them; raise `InputError` if the arguments do not describe chains."""
    capacity = whole_vector("capacities", capacities, minimum=1)
    mean = float_vector("mean_service_s", mean_service_s, np.finfo(float).tiny)
    require(mean.size > 0, "mean_service_s", "[]", "give at least one chain")
    require(mean.size == capacity.size, "capacities", f"{capacity.size} entries", f"give {mean.size}, one a chain")
    require(bool(np.all(np.diff(mean) >= 0)), "mean_service_s", "not ascending", "give the chains fastest first")
    coefficients = _coefficients(mean, coefficients_s)
    return ChainTable(capacity, 1 / mean, dispatch.settings, coefficients, *NO_HOPS)


def check_all_started(started: int, come: int, rule: Callable[..., float]) -> None:
    """Raise `InputError` if jobs still wait at the end."""
    left = come - started
    require(left == 0, "dispatch", rule.__name__, f"leaves {left} jobs waiting beside idle chains")


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
