"""Simulation of more jobs than fit in memory, with the same statistics, one chunk of jobs at a time."""

from collections.abc import Iterable, Iterator, Sequence
from math import fsum

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.start import never_starts, no_policy, table_of
from evaluators.simulation.buckets import Buckets
from evaluators.simulation.chunks import TimedJobs, simulate_chunks
from evaluators.simulation.jobs import is_decided, unstable_run
from evaluators.simulation.run_length import drift_of_parts
from evaluators.simulation.stability import SHARE_SERVED, WINDOWS, is_negative
from evaluators.simulation.steps.stream import stream_steps
from system.checks import require
from system.intervals import BATCHES, half_width_of_batches
from system.layout import Layout
from system.response import TIMES, ByChain, JobTimes, Limits, Time
from system.service.model import ServiceModel
from workloads.jobs import Jobs

Ints = NDArray[np.int64]

LARGEST_CHUNK = 200_000  # jobs, about 30 MB
FEWEST_CHUNKS = 50


def chunk_size(job_count: int) -> int:
    """Return the number of jobs in a chunk, for `job_count` jobs in all."""
    return min(-(-job_count // FEWEST_CHUNKS), LARGEST_CHUNK)


def stream_layout(
    layout: Layout,
    chunks: Iterable[Jobs],
    job_count: int,
    service: ServiceModel,
    first: int = 0,
    limits: Sequence[Limits] = (),
    rng: np.random.Generator | None = None,
) -> "StreamedTimes":
    """Serve `job_count` jobs in chunks; return the times from job number `first` on.

    `rng` is for service models with random times. The layout must have chains. Shares above or within limits are known
    afterwards only for `limits`. Raises `UnstableError` before the run, or, unless condition (4) decides, once jobs
    pile up. Raises `NotApplicableError` for layouts without chains.
    """
    chains = layout.composition()
    chains.check_stable()
    dispatch = chains.rule
    if dispatch is None:
        raise no_policy()
    request_delay_s = float(service.request_delay_s)
    if service.loop == "jobs":
        results = simulate_chunks(chunks, table_of(chains, dispatch), dispatch, request_delay_s)
    else:
        results = stream_steps(chunks, chains, dispatch, service, rng)
    times = StreamedTimes(limits, len(chains))
    decided = service.loop == "jobs" and is_decided(dispatch, request_delay_s)
    explanation = "" if service.loop == "jobs" else "steps wait for each other; lower the rate or add servers"
    for chunk in results if decided else while_stable(results, job_count, chains, explanation):
        times.add(chunk.times.of_jobs(chunk.number >= first))
    return times


def while_stable(
    results: Iterable[TimedJobs], job_count: int, layout: Layout, explanation: str = ""
) -> Iterator[TimedJobs]:
    """Yield the results of chunks; raise `UnstableError`, with an explanation, if jobs pile up.

    This is checked after all chunks, half of them, a quarter of them, and so on. Raises `InputError` if the policy has
    started no job at all.
    """
    chunk_count = -(-job_count // chunk_size(job_count))
    checks = {chunk_count, *(count for k in range(32) if (count := chunk_count >> k) >= FEWEST_CHUNKS)}
    arrived, present = [0], [0]
    started = 0
    for done, chunk in enumerate(results, start=1):
        arrived.append(chunk.arrived)
        present.append(chunk.present)
        started += chunk.number.size
        if done in checks and is_piling_up(np.array(arrived), np.array(present)):
            if started == 0 and layout.rule is not None:
                raise never_starts(f"dispatch = {layout.rule.name}", chunk.arrived)
            raise unstable_run(layout, chunk.arrived, job_count, explanation)
        yield chunk


def is_piling_up(arrived: Ints, present: Ints) -> bool:
    """Return whether jobs leave more slowly than they come (`stability`).

    At the ends of chunks, `arrived` (n,) jobs had come and `present` (n,) of them had not left; the first entries are
    from before the first chunk. The windows consist of equal numbers of chunks.
    """
    ends = np.linspace((arrived.size - 1) / 2, arrived.size - 1, WINDOWS + 1).astype(int)
    departures = np.diff((arrived - present)[ends])
    return bool(is_negative(departures - SHARE_SERVED * np.diff(arrived[ends])))


class StreamedTimes:
    """Response times (`system.response`) of jobs whose times are added one chunk at a time.

    Means and shares are exact; quantiles are within `buckets.RELATIVE_ERROR`. Times that are NaN, those per token of
    jobs without such tokens, do not count.
    """

    def __init__(self, limits: Sequence[Limits], chain_count: int) -> None:
        self._chain_count = chain_count
        self._within = {frozenset(together.items()): 0 for together in limits}  # number of jobs
        self._sums: dict[Time, list[float]] = {time: [] for time in TIMES}  # of each chunk
        self._buckets = {time: Buckets() for time in TIMES}
        self._counts: dict[Time, list[int]] = {time: [] for time in TIMES}  # of the known times of each chunk
        self._job_count = 0
        self._jobs, self._service_s = np.zeros((2, chain_count))

    def add(self, times: JobTimes) -> None:
        """Add the times of a chunk's jobs."""
        if not times.arrival_s.size:
            return
        self._job_count += times.arrival_s.size
        self._jobs += np.bincount(times.chain, minlength=self._chain_count)
        self._service_s += np.bincount(times.chain, times.service_s, minlength=self._chain_count)
        for time in TIMES:
            values = getattr(times, f"{time}_s")
            known = values[~np.isnan(values)]
            self._sums[time].append(float(known.sum()))
            self._counts[time].append(known.size)
            self._buckets[time].add(known)
        for together in self._within:
            self._within[together] += int(np.count_nonzero(times.keeps_to(dict(together))))

    def mean_s(self, time: Time) -> float:
        """Return the mean of a time over all jobs that have it."""
        count = sum(self._counts[time])
        return fsum(self._sums[time]) / count if count else float("nan")

    def quantile_s(self, time: Time, q: float) -> float:
        """Return the time that a share `q` of the jobs does not exceed."""
        return self._buckets[time].quantiles((q,))[0]

    def share_above(self, time: Time, limit_s: float) -> float:
        """Return the share of jobs whose time is above the limit.

        Raises `InputError` unless the limit was given in advance.
        """
        return (self._job_count - self._count_within({time: limit_s})) / sum(self._counts[time])

    def share_within(self, limits: Limits) -> float:
        """Return the share of the jobs that keep to all limits at once.

        Raises `InputError` unless the limits were given in advance.
        """
        return self._count_within(limits) / self._job_count

    def _count_within(self, limits: Limits) -> int:
        together = frozenset(limits.items())
        require(together in self._within, "limits", dict(limits), "must be given before the jobs are simulated")
        return self._within[together]

    def half_width_s(self, time: Time, q: float | None = None, confidence: float = 0.95) -> float:
        """Return the half-width of a mean's confidence interval.

        It is NaN for a quantile or a single chunk.

        It is computed from `BATCHES` batches of chunks. Batches are weighted by their numbers of jobs, because the
        first and the last chunk may have few. A batch is assumed to be long against the time in which the queue forgets
        its state.
        """
        first = np.unique(np.linspace(0, len(self._sums[time]), BATCHES, endpoint=False).astype(int))
        if q is not None or first.size == 1:
            return float("nan")
        sums, counts = (np.add.reduceat(chunks, first) for chunks in (self._sums[time], self._counts[time]))
        return half_width_of_batches(sums, counts, confidence)

    def drift(self) -> float:
        """Return the drift of the response times, to the precision of a chunk."""
        return drift_of_parts(np.array(self._sums["response"]), np.array(self._counts["response"], dtype=float))

    @property
    def by_chain(self) -> ByChain:
        """Return the share of jobs and the mean service time of each chain."""
        with np.errstate(invalid="ignore"):
            return ByChain(self._jobs / self._job_count, self._service_s / self._jobs)
