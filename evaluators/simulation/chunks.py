"""Simulation of jobs in chunks, so that never all jobs are in memory.

Jobs that have arrived but not started by the end of a chunk are put in front of the next chunk. Every job has the times
that it would have in a simulation of all jobs at once.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.chains import Chains, ChainTable, empty_chains
from evaluators.admission.heap import empty_heap
from evaluators.admission.start import Admission, check_all_started, check_rule, served_by
from evaluators.simulation import jobs_loop
from evaluators.simulation.jobs import advance, empty_record
from system.dispatch import Dispatch
from system.response import JobTimes
from workloads.jobs import Jobs

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class StartedJobs(NamedTuple):
    """The jobs that started in a chunk, and the job counts at its last arrival."""

    number: Ints  # of each job, from 0 in order of arrival
    times: JobTimes
    arrived: int  # number of jobs that have arrived so far
    present: int  # number of them that are in service or waiting


def simulate_chunks(
    chunks: Iterable[Jobs], table: ChainTable, dispatch: Dispatch, request_delay_s: float = 0.0
) -> Iterator[StartedJobs]:
    """Serve jobs of equal lengths in chunks, as `simulate` does; each takes `request_delay_s` before its first hop.

    Yields the jobs that started in each chunk, and after the last chunk the jobs that still waited. Raises `InputError`
    if the policy's answer is invalid or it lets jobs wait for ever.
    """
    run, arrived = _ChunkedRun(table, dispatch, request_delay_s), 0
    for chunk in chunks:
        arrived += len(chunk)
        times = run.serve(chunk, more_follow=True)
        yield StartedJobs(run.started, times, arrived, run.present)
    if run.waiting:
        times = run.serve(None, more_follow=False)
        yield StartedJobs(run.started, times, arrived, 0)


class _ChunkedRun:
    """The state from one chunk to the next: the chains, the ends to come and the waiting jobs."""

    def __init__(self, table: ChainTable, dispatch: Dispatch, request_delay_s: float) -> None:
        slots = int(table.capacity.sum())
        self._dispatch, self._ends, self._pad = dispatch, empty_heap(slots), np.empty(slots, np.int64)
        self._request_delay_s = request_delay_s
        self._state = empty_chains(table, np.empty(0), slots)
        self._jobs: Jobs | None = None  # the waiting jobs
        self._numbers = np.empty(0, np.int64)  # of the waiting jobs
        self._arrived = 0
        self.started = self._numbers  # numbers of the jobs that started in the last chunk

    @property
    def waiting(self) -> int:
        """Return the number of jobs that have arrived but not started."""
        return self._numbers.size

    @property
    def present(self) -> int:
        """Return the number of jobs that are in service or waiting."""
        return int(self._state.busy.sum() + self._state.queues.length.sum())

    def serve(self, chunk: Jobs | None, more_follow: bool) -> JobTimes:
        """Serve waiting jobs and those of a chunk; return times of started jobs.

        Raises `InputError` if the policy's answer is invalid, or if jobs still wait and no more follow.
        """
        jobs, waiting = _behind(self._jobs, chunk), self.waiting
        numbers = np.concatenate([self._numbers, self._arrived + np.arange(len(jobs) - waiting)])
        self._arrived += len(jobs) - waiting
        if not more_follow:
            self._add_room(len(jobs))
        state = self._state = _with_room(self._state, jobs)
        record, progress = empty_record(len(jobs), np.empty(0)), jobs_loop.Progress(np.array([waiting, 0]), self._ends)
        admission = Admission(self._dispatch.policy, state, self._pad)
        rest = record, progress, more_follow, 0, self._request_delay_s
        check_rule(advance(admission, jobs, *rest), admission, numbers)
        started = state.chain >= 0
        if not more_follow:
            check_all_started(int(started.sum()), len(jobs), admission)
        self.started, self._numbers, self._jobs = numbers[started], numbers[~started], jobs.of_jobs(~started)
        self._state = _renumbered(state, started)
        return JobTimes(jobs.arrival_s, *record[:4], **served_by(admission)).of_jobs(started)

    def _add_room(self, job_count: int) -> None:
        """Make room for jobs that may start beyond the capacity after the last arrival (`Dispatch.looks`)."""
        room, ends, vacated = self._pad.size + job_count, self._ends, self._state.vacated
        self._pad, self._ends = np.empty(room, np.int64), empty_heap(room)
        for column, before in zip(self._ends, ends, strict=True):
            column[: before.size] = before
        self._state = self._state._replace(vacated=np.concatenate([vacated, np.empty(job_count, np.int64)]))


def _with_room(state: Chains, jobs: Jobs) -> Chains:
    """Return the state with room for `jobs`, the first of which already wait."""
    before = state.queues.behind
    behind = np.concatenate([before, np.zeros(len(jobs) - before.size, np.int64)])
    queues = state.queues._replace(behind=behind)
    return state._replace(uniform=jobs.uniform, chain=np.full(len(jobs), -1), queues=queues)


def _renumbered(state: Chains, started: Mask) -> Chains:
    """Return the state with the waiting jobs numbered from 0."""
    new, queues = np.cumsum(~started) - 1, state.queues
    queued = queues.length > 0
    first, last = (np.where(queued, new[np.where(queued, job, 0)], 0) for job in (queues.first, queues.last))
    return state._replace(queues=queues._replace(first=first, last=last, behind=new[queues.behind[~started]]))


def _behind(waiting: Jobs | None, chunk: Jobs | None) -> Jobs:
    """Return the waiting jobs, followed by the jobs of a chunk."""
    if waiting is None or chunk is None:
        jobs = chunk if waiting is None else waiting
        assert jobs is not None
        return jobs
    return Jobs(
        np.concatenate([waiting.arrival_s, chunk.arrival_s]),
        np.concatenate([waiting.size, chunk.size]),
        chunk.lengths,
        np.concatenate([waiting.uniform, chunk.uniform]),
    )
