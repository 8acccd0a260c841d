"""Simulation of more jobs than fit in memory: the same statistics, a chunk of jobs at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import fsum

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.start import no_policy, table_of
from evaluators.simulation.buckets import Buckets
from evaluators.simulation.chunks import Served, simulate_chunks
from evaluators.simulation.jobs import unstable_run
from evaluators.simulation.stability import SHARE_SERVED, WINDOWS, is_negative
from system.checks import require
from system.errors import NotApplicableError
from system.intervals import BATCHES, half_width_of_batches
from system.layout import Layout
from system.response import TIMES, ByChain, JobTimes, Time
from system.service.model import ServiceModel
from workloads.jobs import Jobs

Ints = NDArray[np.int64]

LARGEST_CHUNK = 200_000  # jobs, some 30 MB
FEWEST_CHUNKS = 50


def chunk_size(job_count: int) -> int:
    """Return how many jobs a chunk has, of so many."""
    return min(-(-job_count // FEWEST_CHUNKS), LARGEST_CHUNK)


def stream_layout(
    layout: Layout,
    chunks: Iterable[Jobs],
    job_count: int,
    service: ServiceModel,
    first: int = 0,
    limits: Sequence[tuple[Time, float]] = (),
) -> "StreamedTimes":
    """Serve so many jobs in chunks of `chunk_size` on a layout with chains; return the times from number `first` on.

    Only of `limits` can it be said afterwards how many times are above them. Raises `UnstableError` beforehand, or,
    where a policy may let slots idle while jobs wait, once jobs are seen to pile up; `NotApplicableError` for layouts
    without chains and for service models in which jobs slow each other.
    """
    if service.loop != "jobs":
        raise NotApplicableError(
            "service: jobs that slow each other are not simulated in chunks; use evaluator=simulation"
        )
    chains = layout.composition()
    chains.check_stable()
    dispatch = chains.rule
    if dispatch is None:
        raise no_policy()
    served = simulate_chunks(chunks, table_of(chains, dispatch), dispatch)
    seen = StreamedTimes(limits, len(chains))
    for chunk in served if dispatch.work_conserving else while_stable(served, job_count, chains):
        seen.add(chunk.times.of_jobs(chunk.number >= first))
    return seen


def while_stable(served: Iterable[Served], job_count: int, layout: Layout) -> Iterator[Served]:
    """Yield the same, but raise `UnstableError` if jobs pile up.

    That is looked at after all chunks, half of them, a quarter, ...
    """
    chunk_count = -(-job_count // chunk_size(job_count))
    looks = {chunk_count, *(count for k in range(32) if (count := chunk_count >> k) >= FEWEST_CHUNKS)}
    come, present = [0], [0]
    for done, chunk in enumerate(served, start=1):
        come.append(chunk.come)
        present.append(chunk.present)
        if done in looks and is_piling_up(np.array(come), np.array(present)):
            raise unstable_run(layout, chunk.come, job_count)
        yield chunk


def is_piling_up(come: Ints, present: Ints) -> bool:
    """Return whether jobs leave more slowly than they come (`stability`), in windows of as many chunks.

    `come` (n,) jobs had come at the ends of chunks, the first entry before any, and `present` of them had not left.
    """
    ends = np.linspace((come.size - 1) / 2, come.size - 1, WINDOWS + 1).astype(int)
    left = np.diff((come - present)[ends])
    return bool(is_negative(left - SHARE_SERVED * np.diff(come[ends])))


class StreamedTimes:
    """Response times (`system.response`) of jobs whose times come a chunk at a time.

    Means and shares are those of all jobs; quantiles are within `buckets.RELATIVE_ERROR`.
    """

    def __init__(self, limits: Sequence[tuple[Time, float]], chain_count: int) -> None:
        self._limits, self._chain_count = tuple(dict.fromkeys(limits)), chain_count
        self._above: defaultdict[tuple[Time, float], int] = defaultdict(int)
        self._sums: dict[Time, list[float]] = {time: [] for time in TIMES}  # of each chunk
        self._buckets = {time: Buckets() for time in TIMES}
        self._counts: list[int] = []
        self._jobs, self._service_s = np.zeros((2, chain_count))

    def add(self, times: JobTimes) -> None:
        """Take a chunk's times into account."""
        if not times.arrival_s.size:
            return
        self._counts.append(times.arrival_s.size)
        self._jobs += np.bincount(times.chain, minlength=self._chain_count)
        self._service_s += np.bincount(times.chain, times.service_s, minlength=self._chain_count)
        values = {time: getattr(times, f"{time}_s") for time in TIMES}
        for time in TIMES:
            self._sums[time].append(float(values[time].sum()))
            self._buckets[time].add(values[time])
        for time, limit_s in self._limits:
            self._above[time, limit_s] += int(np.count_nonzero(values[time] > limit_s))

    def mean_s(self, time: Time) -> float:
        return fsum(self._sums[time]) / sum(self._counts)

    def quantile_s(self, time: Time, q: float) -> float:
        return self._buckets[time].quantiles((q,))[0]

    def share_above(self, time: Time, limit_s: float) -> float:
        """Raise `InputError` unless the limit was named before the jobs came."""
        require((time, limit_s) in self._limits, "limit_s", limit_s, "was not named before the jobs came")
        return self._above[time, limit_s] / sum(self._counts)

    def half_width_s(self, time: Time, q: float | None = None, confidence: float = 0.95) -> float:
        """Return that of a mean, over `BATCHES` batches of chunks; NaN for a quantile or a single chunk.

        A batch counts by its jobs: the first and the last chunk may have few. It is taken to be long against the time
        in which the queue forgets its state.
        """
        first = np.unique(np.linspace(0, len(self._counts), BATCHES, endpoint=False).astype(int))
        if q is not None or first.size == 1:
            return float("nan")
        sums, counts = (np.add.reduceat(chunks, first) for chunks in (self._sums[time], self._counts))
        return half_width_of_batches(sums, counts, confidence)

    @property
    def by_chain(self) -> ByChain:
        with np.errstate(invalid="ignore"):
            return ByChain(self._jobs / sum(self._counts), self._service_s / self._jobs)
