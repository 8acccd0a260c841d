"""Simulation of steps in chunks of jobs, so that never all jobs are in memory."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.start import Admission, require_steps, served_by, table_of
from evaluators.simulation.chunks import TimedJobs, serve_chunks
from evaluators.simulation.steps.simulate import advance, check_whole_tokens, job_times, steps_world
from evaluators.simulation.steps.state import StepLog, empty_log, requests_of
from system.composition import Composition
from system.dispatch import Dispatch
from system.response import JobTimes
from system.service.model import ServiceModel
from workloads.jobs import Jobs


def stream_steps(
    chunks: Iterable[Jobs],
    chains: Composition,
    dispatch: Dispatch,
    service: ServiceModel,
    rng: np.random.Generator | None = None,
) -> Iterator[TimedJobs]:
    """Serve jobs of whole tokens in chunks, as `simulate_steps` does.

    Yields the jobs that ended in each chunk, and after the last chunk the others. Raises as `simulate_steps` does.
    """
    require_steps(chains, "step queues")
    loop = StepsLoop(chains, service, rng)
    return serve_chunks(chunks, table_of(chains, dispatch), dispatch, loop)


class StepsLoop:
    """The loops of steps, where times are known when a job ends."""

    def __init__(self, chains: Composition, service: ServiceModel, rng: np.random.Generator | None) -> None:
        self._service = service
        nobody = Jobs(np.empty(0), np.empty(0), np.empty((0, 2)), np.empty(0))
        self._world = steps_world(chains, nobody, service, rng, chains.total_capacity)

    def serve(self, admission: Admission, jobs: Jobs, earlier: int, more_follow: bool) -> int:
        """Serve jobs, of which the first `earlier` have arrived before; return the loop's answer."""
        check_whole_tokens(jobs)
        record = _longer(self._world.record, len(jobs))
        record.counts[0] = earlier
        self._world = self._world._replace(requests=requests_of(jobs), record=record)
        return advance(admission, self._service, self._world, more_follow)

    def known(self, admission: Admission) -> NDArray[np.bool_]:
        """Return (n,) whether each job has ended."""
        return np.isfinite(self._world.record.end_s)

    def times(self, admission: Admission, jobs: Jobs) -> JobTimes:
        """Return the times of all jobs, which mean nothing before the end."""
        return job_times(self._world.record, jobs, served_by(admission))

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Keep only some jobs, renumbered from 0, in the slots and the record."""
        slots, record = self._world.slots, self._world.record
        is_busy = np.ones(slots.job.size, np.bool_)
        is_busy[slots.free[: slots.free_count[0]]] = False
        new = np.cumsum(kept) - 1
        slots.job[is_busy] = new[slots.job[is_busy]]
        self._world = self._world._replace(record=_with_times(record, [times[kept] for times in record[:5]]))


def _longer(record: StepLog, job_count: int) -> StepLog:
    """Return a record with room for more jobs, which have not started."""
    new = empty_log(job_count - record.start_s.size)
    return _with_times(record, [np.concatenate(pair) for pair in zip(record[:5], new[:5], strict=True)])


def _with_times(record: StepLog, times: list[NDArray[np.float64]]) -> StepLog:
    """Return a record with other times, in the order of its fields."""
    columns: dict[str, Any] = dict(zip(StepLog._fields, times, strict=False))
    return record._replace(**columns)
