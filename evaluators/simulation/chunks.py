"""Simulation of jobs that come in chunks, so that however many there are they are never all in memory.

Jobs that have come but not started when a chunk ends are put in front of the next one. Every job has the times that it
would have had in one piece.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.dispatch import Dispatch
from evaluators.simulation import engine
from evaluators.simulation.simulate import ChainJobTimes, chain_table, check_served, job_times
from workloads.jobs import Jobs

Ints = NDArray[np.int64]


class Served(NamedTuple):
    """The jobs that started in a chunk, and how things stand at its last arrival."""

    number: Ints  # of each, from 0 in order of arrival
    times: ChainJobTimes
    come: int  # jobs so far
    present: int  # of them, those in service or waiting


def simulate_chunks(
    chunks: Iterable[Jobs],
    mean_service_s: ArrayLike,
    capacities: ArrayLike,
    dispatch: Dispatch,
    coefficients_s: ArrayLike | None = None,
) -> Iterator[Served]:
    """As `simulate`, for jobs of equal lengths in chunks; after the last chunk follow those that still wait, if any."""
    table = chain_table(mean_service_s, capacities, dispatch, coefficients_s)
    state = engine.empty_state(table.capacity.size, 0, int(table.capacity.sum()))
    waiting, numbers = None, np.empty(0, np.int64)
    come = 0
    for chunk in chunks:
        jobs = _behind(waiting, chunk)
        numbers = np.concatenate([numbers, np.arange(come, come + len(chunk))])
        come += len(chunk)
        started, times, state = _step(jobs, table, dispatch, state, more_follow=True)
        yield Served(numbers[started], times, come, _present(state))
        waiting, numbers = _of(jobs, ~started), numbers[~started]
    if waiting is not None and len(waiting):
        started, times, state = _step(waiting, table, dispatch, state, more_follow=False)
        check_served(int(started.sum()), len(waiting), table, dispatch)
        yield Served(numbers[started], times, come, 0)


def _step(
    jobs: Jobs, table: engine.ChainTable, dispatch: Dispatch, state: engine.State, *, more_follow: bool
) -> tuple[NDArray[np.bool_], ChainJobTimes, engine.State]:
    """Which of the jobs started, their times, and the state in which the others wait, numbered from 0."""
    n = len(jobs)
    behind = np.concatenate([state.behind, np.zeros(n - state.behind.size, np.int64)])
    state = state._replace(behind=behind)
    record = engine.Record(np.empty(n), np.empty(n), np.empty(n), np.full(n, -1))
    arrivals = engine.Arrivals(jobs.arrival_s, jobs.size, jobs.lengths, jobs.uniform)
    given = engine.run(dispatch.policy, arrivals, table, record, state, more_follow)
    check_served(given, given, table, dispatch)
    started = record.chain >= 0
    written = engine.Record._make(column[started] for column in record)
    return started, job_times(jobs.arrival_s[started], written, table), _renumbered(state, started)


def _renumbered(state: engine.State, started: NDArray[np.bool_]) -> engine.State:
    """The state once the jobs that have started are no longer among those that wait."""
    new = np.cumsum(~started) - 1
    queued = state.queued > 0
    head, arrived = state.place
    return state._replace(
        queue_head=np.where(queued, new[state.queue_head], 0),
        queue_tail=np.where(queued, new[state.queue_tail], 0),
        behind=new[state.behind[~started]],
        place=np.array([(~started[:head]).sum(), (~started[:arrived]).sum()]),
    )


def _present(state: engine.State) -> int:
    head, arrived = state.place
    return int(state.busy.sum() + state.queued.sum() + arrived - head)


def _of(jobs: Jobs, chosen: NDArray[np.bool_]) -> Jobs:
    return Jobs(jobs.arrival_s[chosen], jobs.size[chosen], jobs.lengths, jobs.uniform[chosen])


def _behind(waiting: Jobs | None, chunk: Jobs) -> Jobs:
    """The jobs of a chunk behind those that wait."""
    if waiting is None:
        return chunk
    return Jobs(
        np.concatenate([waiting.arrival_s, chunk.arrival_s]),
        np.concatenate([waiting.size, chunk.size]),
        chunk.lengths,
        np.concatenate([waiting.uniform, chunk.uniform]),
    )
