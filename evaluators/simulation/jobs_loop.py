"""The compiled loop of equation (2), where a job in service takes the time that it would take alone.

So a job's times are known, and recorded, when it starts. Events are arrivals, in order, and ends, in a heap.
"""

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.chains import CHAINS, Chains
from evaluators.admission.core import (
    arrive,
    decide,
    decides_after,
    held_by,
    leave,
    needs_room,
    next_look_s,
    path_coefficients_s,
    start_all,
)
from evaluators.admission.heap import HEAP, Heap, next_s, pop, push
from evaluators.admission.routes_state import ROUTES, Routes
from evaluators.simulation.answers import FINISHED, IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.stability import is_seen_unstable
from system.code.compiler import compiled, entry
from system.dispatch import DISPATCH
from system.routing import DELAY
from system.service.linear_law import job_s

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Arrivals(NamedTuple):
    """Jobs in order of arrival; `lengths` has one row per job or a single row for all."""

    time_s: Floats  # (n,)
    size: Floats  # (n,)
    lengths: Floats  # (n, 2) or (1, 2): input tokens, output tokens - 1
    delay_s: float  # time of every job in service before its first hop


class JobLog(NamedTuple):
    """Times that the loop records for n jobs."""

    waiting_s: Floats  # (n,)
    service_s: Floats  # (n,)
    first_token_s: Floats  # (n,), from arrival
    output_token_s: Floats  # (n,), for a size of 1
    end_s: Floats  # (n,), infinite before the job starts; empty if the run is not checked for instability


class Progress(NamedTuple):
    """The progress of a run, which can be interrupted between two events."""

    counts: Ints  # (2,): number of jobs that have arrived, and that have started
    ends: Heap  # ends of the jobs in service, each numbered by what it holds (`held_by`)


_VECTOR = float64[::1]
ARRIVALS = types.NamedTuple((_VECTOR, _VECTOR, float64[:, ::1], float64), Arrivals)
RECORD = types.NamedUniTuple(_VECTOR, 5, JobLog)
PROGRESS = types.NamedTuple((int64[::1], HEAP), Progress)


@compiled
def _start(job, now_s, state, jobs, record):  # type: ignore[no-untyped-def]
    """Record the times of a job that starts now; return when it ends."""
    once_s, input_token_s, output_token_s = path_coefficients_s(state, job)
    row = job if jobs.lengths.shape[0] > 1 else 0
    first_token_s, service_s = job_s(
        once_s, input_token_s, output_token_s, jobs.size[job], jobs.lengths[row, 0], jobs.lengths[row, 1]
    )
    first_token_s += jobs.delay_s
    service_s += jobs.delay_s
    record.waiting_s[job] = now_s - jobs.time_s[job]
    record.first_token_s[job] = record.waiting_s[job] + first_token_s
    record.service_s[job] = service_s
    record.output_token_s[job] = output_token_s
    if record.end_s.size > 0:
        record.end_s[job] = now_s + service_s
    return now_s + service_s


def _run(rule, state, started, jobs, record, progress, more_follow, check_after):  # type: ignore[no-untyped-def]
    """Serve every job to its end.

    If more jobs follow, it runs only up to the last arrival, because later events depend on them. With `check_after`
    above 0 an unstable run is stopped (`stability`).
    """
    n, ends, arrived = jobs.time_s.size, progress.ends, progress.counts[0]
    answer = FINISHED
    while True:
        arrival_s = jobs.time_s[arrived] if arrived < n else np.inf
        end_s, look_s = next_s(ends), next_look_s(state)
        if arrived == n and (more_follow or (end_s == np.inf and look_s == np.inf)):
            break
        if needs_room(state):
            answer = NEEDS_ROOM
            break
        is_end, held = end_s <= arrival_s and end_s <= look_s, 0
        if is_end:
            now_s, held = end_s, pop(ends)
            leave(state, held)
        elif look_s <= arrival_s:
            now_s = look_s
        else:
            now_s = arrival_s
            arrive(state, arrived)
            arrived += 1
            if is_seen_unstable(arrived, check_after, jobs.time_s, record.end_s):
                answer = IS_UNSTABLE
                break
        if decides_after(state, is_end):
            count = decide(rule, state, now_s, started)
        else:
            count = start_all(state, held, started) if arrived == n else 0
        if count < 0:
            answer = count
            break
        progress.counts[1] += count
        for i in range(count):
            job = started[i]
            push(ends, _start(job, now_s, state, jobs, record), held_by(state, job))
    progress.counts[0] = arrived
    return answer


_REST = (int64[::1], ARRIVALS, RECORD, PROGRESS, boolean, int64)
run_on_chains = entry(int64(types.FunctionType(DISPATCH), CHAINS, *_REST))(_run)
run_over_routes = entry(int64(types.FunctionType(DELAY), ROUTES, *_REST))(_run)
LOOPS = {Chains: run_on_chains, Routes: run_over_routes}  # by the state of the admission
