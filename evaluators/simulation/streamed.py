"""Simulation of more jobs than fit in memory, as an evaluator (`conf/evaluator/simulation_stream.yaml`)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from algorithms.dispatch import Dispatch
from evaluators.case import Draw, Measurement
from evaluators.simulation.buckets import Buckets
from evaluators.simulation.chunks import Served, simulate_chunks
from evaluators.simulation.evaluate import TIMES, Report, unstable_under
from evaluators.simulation.routed_engine import SHARE_SERVED, WINDOWS, is_negative
from evaluators.simulation.simulate import JobTimes
from system import NotApplicableError
from system.checks import require
from workloads.synthetic import SyntheticWorkload

Ints = NDArray[np.int64]

LARGEST_CHUNK = 200_000  # jobs, some 30 MB
FEWEST_CHUNKS = 50
BATCHES = 20  # for the interval of the mean; long ones, as their means must be all but independent


@dataclass(frozen=True, kw_only=True)
class StreamedSimulation(Report):
    """The same jobs and statistics as `SimulationEvaluator`, in the memory of 200,000 jobs.

    Means and shares are those of all jobs; quantiles are within `buckets.RELATIVE_ERROR`. The mean response time comes
    with the half-width of its 95 % interval. For chains, and for synthetic jobs with independent gaps. An unstable run
    is refused: beforehand, or, where the policy may let slots idle while jobs wait, once jobs are seen to pile up.
    """

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        workload = _synthetic(draw)
        first = int(workload.job_count * self.warm_up)
        seen = StreamedTimes(self.slo_s)
        for served in _served(draw, workload, replication):
            seen.add(served.times.from_job(int(np.searchsorted(served.number, first))))
        measurements, half_width_s = self.measurements(draw, seen), seen.half_width_s("response")
        if half_width_s is not None:
            measurements.append(Measurement("response_mean_half_width_s", half_width_s))
        return measurements


def _synthetic(draw: Draw) -> SyntheticWorkload:
    """The workload, if it is one of jobs that can be drawn in chunks."""
    workload = draw.case.workload
    if not isinstance(workload, SyntheticWorkload):
        raise NotApplicableError(
            f"evaluator = simulation_stream: {type(workload).__name__} cannot be drawn in chunks; "
            "use evaluator=simulation"
        )
    return workload


def _served(draw: Draw, workload: SyntheticWorkload, replication: int) -> Iterable[Served]:
    """The jobs of a replication, a chunk at a time; raises `UnstableError` where there is no steady state."""
    composition, dispatch = draw.composition, draw.dispatch
    composition.check_stable()
    chunk_jobs = min(-(-workload.job_count // FEWEST_CHUNKS), LARGEST_CHUNK)
    chunks = workload.chunks(draw.system.arrival_rate_per_s, draw.streams(replication), chunk_jobs)
    tables = composition.mean_service_s, composition.capacity, dispatch, composition.job_coefficients_s
    served = simulate_chunks(chunks, *tables)
    return served if dispatch.work_conserving else while_stable(served, -(-workload.job_count // chunk_jobs), dispatch)


def while_stable(served: Iterable[Served], chunk_count: int, dispatch: Dispatch) -> Iterator[Served]:
    """The same, but for `UnstableError` if jobs pile up: looked at after all chunks, half of them, a quarter, ..."""
    looks = {chunk_count, *(count for k in range(32) if (count := chunk_count >> k) >= FEWEST_CHUNKS)}
    come, present = [0], [0]
    for done, chunk in enumerate(served, start=1):
        come.append(chunk.come)
        present.append(chunk.present)
        if done in looks and is_piling_up(np.array(come), np.array(present)):
            raise unstable_under(dispatch)
        yield chunk


def is_piling_up(come: Ints, present: Ints) -> bool:
    """The rule of `routed_engine.is_unstable` with windows of as many chunks instead of as many seconds.

    `come` (n,) jobs had come at the ends of chunks, the first entry before any, and `present` of them had not left.
    """
    ends = np.linspace((come.size - 1) / 2, come.size - 1, WINDOWS + 1).astype(int)
    left = np.diff((come - present)[ends])
    return bool(is_negative(left - SHARE_SERVED * np.diff(come[ends])))


class StreamedTimes:
    """Statistics (`evaluate.Statistics`) of times that come a chunk at a time."""

    def __init__(self, slo_s: float | None) -> None:
        self._limits = {("waiting", 0.0), ("response", slo_s or 0.0)}
        self._above: defaultdict[tuple[str, float], int] = defaultdict(int)
        self._sums: dict[str, list[float]] = {name: [] for name in TIMES}  # of each chunk
        self._buckets = {name: Buckets() for name in TIMES}
        self._counts: list[int] = []

    def add(self, times: JobTimes) -> None:
        """Take a chunk's times into account."""
        if not times.arrival_s.size:
            return
        values = {name: getattr(times, f"{name}_s") for name in TIMES}
        self._counts.append(times.arrival_s.size)
        for name in TIMES:
            self._sums[name].append(float(values[name].sum()))
            self._buckets[name].add(values[name])
        for name, limit_s in self._limits:
            self._above[name, limit_s] += int(np.count_nonzero(values[name] > limit_s))

    def mean_s(self, name: str) -> float:
        return fsum(self._sums[name]) / sum(self._counts)

    def quantiles_s(self, name: str, shares: tuple[float, ...]) -> list[float]:
        return self._buckets[name].quantiles(shares)

    def share_above(self, name: str, limit_s: float) -> float:
        require((name, limit_s) in self._limits, "limit_s", limit_s, "was not asked for before the jobs came")
        return self._above[name, limit_s] / sum(self._counts)

    def half_width_s(self, name: str) -> float | None:
        """Of the 95 % interval of a mean, Student's over batches of chunks; None if there is only one chunk.

        A batch counts by its jobs: the first and the last chunk may have few. It is taken to be long against the time
        in which the queue forgets its state.
        """
        first = np.unique(np.linspace(0, len(self._counts), BATCHES, endpoint=False).astype(int))
        if first.size == 1:
            return None
        sums, counts = (np.add.reduceat(chunks, first) for chunks in (self._sums[name], self._counts))
        variance = np.sum((sums - self.mean_s(name) * counts) ** 2) * first.size / (first.size - 1)
        return float(stdtrit(first.size - 1, 0.975) * np.sqrt(variance) / counts.sum())
