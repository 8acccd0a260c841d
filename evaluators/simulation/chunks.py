"""Simulation of jobs in chunks, so that never all jobs are in memory.

Jobs whose times are not known at the end of a chunk are put in front of the next chunk. Every job has the times that it
would have in a simulation of all jobs at once.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

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


class TimedJobs(NamedTuple):
    """The jobs whose times became known in a chunk, and the job counts at its last arrival."""

    number: Ints  # of each job, from 0 in order of arrival
    times: JobTimes
    arrived: int  # number of jobs that have arrived so far
    present: int  # number of them that are in service or waiting


class ChunkLoop(Protocol):
    """An event loop that goes on from one chunk to the next."""

    def serve(self, admission: Admission, jobs: Jobs, earlier: int, more_follow: bool) -> int:
        """Serve jobs, of which the first `earlier` have arrived before; return the loop's answer."""

    def known(self, admission: Admission) -> Mask:
        """Return (n,) whether the times of each job are known."""

    def times(self, admission: Admission, jobs: Jobs) -> JobTimes:
        """Return the times of all jobs, which mean nothing where they are not known."""

    def keep(self, kept: Mask) -> None:
        """Keep only some jobs, renumbered from 0."""


def simulate_chunks(
    chunks: Iterable[Jobs], table: ChainTable, dispatch: Dispatch, request_delay_s: float = 0.0
) -> Iterator[TimedJobs]:
    """Serve jobs of equal lengths in chunks, as `simulate` does.

    Each job takes `request_delay_s` before its first hop. Yields the jobs that started in each chunk, and after the
    last chunk the jobs that still waited. Raises `InputError` if the policy's answer is invalid or it lets jobs wait
    for ever.
    """
    return serve_chunks(chunks, table, dispatch, JobsLoop(request_delay_s))


def serve_chunks(chunks: Iterable[Jobs], table: ChainTable, dispatch: Dispatch, loop: ChunkLoop) -> Iterator[TimedJobs]:
    """Serve jobs in chunks by a loop.

    Yields the jobs whose times became known in each chunk, and after the last chunk the others. Raises `InputError` if
    the policy's answer is invalid or it lets jobs wait for ever.
    """
    run, arrived = _ChunkedRun(table, dispatch, loop), 0
    for chunk in chunks:
        arrived += len(chunk)
        times = run.serve(chunk, more_follow=True)
        yield TimedJobs(run.timed, times, arrived, run.present)
    if run.kept_count:
        times = run.serve(None, more_follow=False)
        yield TimedJobs(run.timed, times, arrived, 0)


class _ChunkedRun:
    """The state from one chunk to the next: the chains, the loop and the jobs without times."""

    def __init__(self, table: ChainTable, dispatch: Dispatch, loop: ChunkLoop) -> None:
        slots = int(table.capacity.sum())
        self._dispatch, self._loop, self._pad = dispatch, loop, np.empty(slots, np.int64)
        self._state = empty_chains(table, np.empty(0), slots)
        self._jobs: Jobs | None = None  # the jobs without times
        self._numbers = np.empty(0, np.int64)  # of these jobs
        self._arrived = 0
        self.timed = self._numbers  # numbers of the jobs whose times became known in the last chunk

    @property
    def kept_count(self) -> int:
        """Return the number of jobs that have arrived and have no times yet."""
        return self._numbers.size

    @property
    def present(self) -> int:
        """Return the number of jobs that are in service or waiting."""
        return int(self._state.busy.sum() + self._state.queues.length.sum())

    def serve(self, chunk: Jobs | None, more_follow: bool) -> JobTimes:
        """Serve earlier jobs and those of a chunk; return the times that became known.

        Raises `InputError` if the policy's answer is invalid, or if jobs still wait and no more follow.
        """
        jobs, earlier = _behind(self._jobs, chunk), self.kept_count
        numbers = np.concatenate([self._numbers, self._arrived + np.arange(len(jobs) - earlier)])
        self._arrived += len(jobs) - earlier
        if not more_follow:
            self._add_room(len(jobs))
        self._state = _with_room(self._state, jobs)
        admission = Admission(self._dispatch.policy, self._state, self._pad)
        check_rule(self._loop.serve(admission, jobs, earlier, more_follow), admission, numbers)
        known = self._loop.known(admission)
        if not more_follow:
            check_all_started(int(known.sum()), len(jobs), admission)
        times = self._loop.times(admission, jobs).of_jobs(known)
        self.timed, self._numbers, self._jobs = numbers[known], numbers[~known], jobs.of_jobs(~known)
        self._state = _renumbered(self._state, ~known)
        self._loop.keep(~known)
        return times

    def _add_room(self, job_count: int) -> None:
        """Make room for jobs beyond the capacity, which may start after the last arrival."""
        vacated = self._state.vacated
        self._pad = np.empty(self._pad.size + job_count, np.int64)
        self._state = self._state._replace(vacated=np.concatenate([vacated, np.empty(job_count, np.int64)]))


class JobsLoop:
    """The loop of equation (2), where times are known when a job starts."""

    def __init__(self, request_delay_s: float) -> None:
        self._ends, self._request_delay_s = empty_heap(0), request_delay_s

    def serve(self, admission: Admission, jobs: Jobs, earlier: int, more_follow: bool) -> int:
        """Serve jobs, of which the first `earlier` have arrived before; return the loop's answer."""
        self._record = empty_record(len(jobs), np.empty(0))
        self._make_room(admission.started.size)
        progress = jobs_loop.Progress(np.array([earlier, 0]), self._ends)
        return advance(admission, jobs, self._record, progress, more_follow, 0, self._request_delay_s)

    def known(self, admission: Admission) -> Mask:
        """Return (n,) whether each job has started."""
        started: Mask = _chains(admission).chain >= 0
        return started

    def times(self, admission: Admission, jobs: Jobs) -> JobTimes:
        """Return the times of all jobs, which mean nothing before the start."""
        return JobTimes(jobs.arrival_s, *self._record[:4], **served_by(admission))

    def keep(self, kept: Mask) -> None:
        """Keep nothing of the jobs: the heap of ends numbers chains."""

    def _make_room(self, end_count: int) -> None:
        """Make room for this number of ends."""
        ends = self._ends
        if ends.number.size < end_count:
            self._ends = empty_heap(end_count)
            for column, before in zip(self._ends, ends, strict=True):
                column[: before.size] = before


def _chains(admission: Admission) -> Chains:
    assert isinstance(admission.state, Chains)
    return admission.state


def _with_room(state: Chains, jobs: Jobs) -> Chains:
    """Return the state with room for `jobs`, the first of which have arrived earlier."""
    earlier, behind = state.chain, state.queues.behind
    chain = np.concatenate([earlier, np.full(len(jobs) - earlier.size, -1)])
    queues = state.queues._replace(behind=np.concatenate([behind, np.zeros(len(jobs) - behind.size, np.int64)]))
    return state._replace(uniform=jobs.uniform, chain=chain, queues=queues)


def _renumbered(state: Chains, kept: Mask) -> Chains:
    """Return the state with only the kept jobs, numbered from 0."""
    new, queues = np.cumsum(kept) - 1, state.queues
    queued = queues.length > 0
    first, last = (np.where(queued, new[np.where(queued, job, 0)], 0) for job in (queues.first, queues.last))
    queues = queues._replace(first=first, last=last, behind=new[queues.behind[kept]])
    return state._replace(chain=state.chain[kept], queues=queues)


def _behind(earlier: Jobs | None, chunk: Jobs | None) -> Jobs:
    """Return the earlier jobs, followed by the jobs of a chunk."""
    if earlier is None or chunk is None:
        jobs = chunk if earlier is None else earlier
        assert jobs is not None
        return jobs
    return Jobs(
        np.concatenate([earlier.arrival_s, chunk.arrival_s]),
        np.concatenate([earlier.size, chunk.size]),
        _lengths(earlier, chunk),
        np.concatenate([earlier.uniform, chunk.uniform]),
    )


def _lengths(earlier: Jobs, chunk: Jobs) -> NDArray[np.float64]:
    """Return the lengths of both, in one row if all are the same."""
    if len(earlier.lengths) == len(chunk.lengths) == 1 and bool((earlier.lengths == chunk.lengths).all()):
        return chunk.lengths
    return np.concatenate([np.broadcast_to(jobs.lengths, (len(jobs), 2)) for jobs in (earlier, chunk)])
