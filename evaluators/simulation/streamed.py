"""Simulation of more jobs than fit in memory, as an evaluator (`conf/evaluator/simulation_stream.yaml`)."""

from collections import defaultdict
from dataclasses import dataclass
from math import fsum

import numpy as np
from scipy.stats import t as student

from evaluators.case import Draw, Measurement
from evaluators.simulation.buckets import Buckets
from evaluators.simulation.evaluate import TIMES, Report
from evaluators.simulation.simulate import JobTimes
from evaluators.simulation.stream import simulate_chunks
from system import NotApplicableError
from system.checks import require
from workloads.synthetic import SyntheticWorkload

LARGEST_CHUNK = 200_000  # jobs, some 30 MB
FEWEST_CHUNKS = 50  # so that the interval of the mean rests on as many batches


@dataclass(frozen=True, kw_only=True)
class StreamedSimulation(Report):
    """The same jobs and statistics as `SimulationEvaluator`, in the memory of 200,000 jobs.

    Means and shares are those of all jobs; quantiles are within `buckets.RELATIVE_ERROR`. The mean response time comes
    with the half-width of its 95 % interval, Student's over the means of the chunks. For work-conserving policies on
    chains, whose stability is known beforehand, and for synthetic jobs with independent gaps.
    """

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        composition, workload, dispatch = draw.composition, draw.case.workload, draw.dispatch
        if not (isinstance(workload, SyntheticWorkload) and dispatch.work_conserving):
            raise NotApplicableError(
                "evaluator = simulation_stream: is for workload.synthetic jobs and work-conserving policies only; "
                "use evaluator=simulation"
            )
        composition.check_stable()
        chunk_jobs = min(-(-workload.job_count // FEWEST_CHUNKS), LARGEST_CHUNK)
        chunks = workload.chunks(draw.system.arrival_rate_per_s, draw.streams(replication), chunk_jobs)
        first = int(workload.job_count * self.warm_up)
        seen = StreamedTimes(self.slo_s)
        tables = composition.mean_service_s, composition.capacity, dispatch, composition.job_coefficients_s
        for number, times in simulate_chunks(chunks, *tables):
            seen.add(times.from_job(int(np.searchsorted(number, first))))
        return [
            *self.measurements(draw, seen),
            Measurement("response_mean_half_width_s", seen.half_width_s("response")),
        ]


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
        values = {name: getattr(times, f"{name}_s") for name in TIMES}
        if not times.arrival_s.size:
            return
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

    def half_width_s(self, name: str) -> float:
        """Of the 95 % interval of a mean, from batch means."""
        means = np.array(self._sums[name]) / self._counts
        return float(student.ppf(0.975, means.size - 1) * means.std(ddof=1) / np.sqrt(means.size))
