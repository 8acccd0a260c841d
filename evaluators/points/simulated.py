"""Simulation as evaluators (`conf/evaluator`) and as an objective to choose c (`conf/tuning`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evaluators.points.case import Draw, Measurement
from evaluators.points.metrics import Answer
from evaluators.points.report import Report
from evaluators.simulation.layout import simulate_layout
from evaluators.simulation.stability import has_been_unstable
from evaluators.simulation.streamed import chunk_size, stream_layout
from system import NotApplicableError, RandomStreams
from system.checks import require, require_not_negative
from system.dispatch import Dispatch
from system.layout import Layout
from system.response import WARM_UP, JobTimes, Limits, Run
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload, jobs_of_sizes


@dataclass(frozen=True)
class JobReport(Report):
    """A report of jobs that leaves out the warm-up, the first share `warm_up` of them."""

    warm_up: float = WARM_UP

    def __post_init__(self) -> None:
        super().__post_init__()
        require_not_negative(warm_up=self.warm_up)
        require(self.warm_up < 1, "warm_up", self.warm_up, "must be a share of the jobs, at least 0 and below 1")

    @property
    def varies_with(self) -> Literal["replication"]:
        """Return `replication`: every replication has its own jobs."""
        return "replication"


@dataclass(frozen=True, kw_only=True)
class SimulationEvaluator(JobReport):
    """Times of all jobs under a service model.

    The parts of the service time and the utilisation of servers are included if the service model gives them. An
    unstable run has no steady state and is refused. For finite work, such as a trace that is replayed once, it can be
    reported instead: every job is served, and `is_unstable` is 1.
    """

    simulates: ClassVar[bool] = True
    unstable: Literal["refuse", "report"] = "refuse"
    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unstable in ("refuse", "report"), "unstable", self.unstable, "must be refuse or report")

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Simulate the jobs of one replication and report them."""
        jobs, run = self.simulate(draw, replication)
        answer = self.answer(draw, jobs, run)
        measurements = self.measurements(answer)
        if self.unstable == "report":
            measurements.append(Measurement("is_unstable", float(has_been_unstable(run.times))))
        return [*measurements, *part_means(answer.by_job()[0]), *utilisations(draw.layout, run)]

    def simulate(self, draw: Draw, replication: int) -> tuple[Jobs, Run]:
        """Return the jobs of one replication and what came of them, the warm-up included."""
        rng, jobs = draw.streams(replication).jobs("slowdowns"), draw.jobs(replication)
        return jobs, simulate_layout(draw.layout, jobs, self.service, rng, stop_unstable=self.unstable == "refuse")

    def answer(self, draw: Draw, jobs: Jobs, run: Run) -> Answer:
        """Return the times of the reported jobs, those after the warm-up."""
        times = run.times.after_warm_up(self.warm_up)
        return Answer(draw, times, jobs.of_jobs(slice(len(jobs) - times.arrival_s.size, None)), run)


def part_means(times: JobTimes) -> Iterator[Measurement]:
    """Yield the means of the known parts of the service time."""
    for part, values in times.parts.items():
        yield Measurement(f"{part}_mean_s", float(values.mean()))


def utilisations(layout: Layout, run: Run) -> Iterator[Measurement]:
    """Yield the known utilisations of the servers that jobs may use.

    They are taken over the whole run.
    """
    if run.utilisation is not None:
        for j in np.flatnonzero(layout.slots_used() * ~np.isnan(run.utilisation)).tolist():
            yield Measurement("server_utilisation", float(run.utilisation[j]), j)


@dataclass(frozen=True, kw_only=True)
class StreamedSimulation(JobReport):
    """The jobs and statistics of `SimulationEvaluator`, in the memory of 200,000 jobs.

    The mean response time comes with the half-width of its 95 % interval. Layouts must have chains, jobs must be
    synthetic with independent gaps, and in the service model jobs must not slow each other. An unstable run is refused.
    """

    simulates: ClassVar[bool] = True
    service: ServiceModel = INDEPENDENT

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Simulate the jobs of one replication in chunks and report them."""
        workload = _synthetic(draw)
        size, count = chunk_size(workload.job_count), workload.job_count
        chunks = workload.chunks(draw.system.arrival_rate_per_s, draw.streams(replication), size)
        first = int(count * self.warm_up)
        limits: list[Limits] = [{"waiting": 0.0}, *self.limits.values()]
        times = stream_layout(draw.layout, chunks, count, self.service, first, limits)
        measurements, half_width_s = self.measurements(Answer(draw, times)), times.half_width_s("response")
        if not np.isnan(half_width_s):
            measurements.append(Measurement("response_mean_half_width_s", half_width_s))
        return measurements


def _synthetic(draw: Draw) -> SyntheticWorkload:
    """Return the workload; raise `NotApplicableError` unless it can be drawn in chunks."""
    workload = draw.case.workload
    if not isinstance(workload, SyntheticWorkload):
        raise NotApplicableError(
            f"evaluator = simulation_stream: {type(workload).__name__} cannot be drawn in chunks; "
            "use evaluator=simulation"
        )
    return workload


@dataclass(frozen=True)
class SimulatedMean:
    """The simulated mean response time under the paper's exponential model and equation (2).

    Every c and every cluster get the same jobs, so intervals over draws reflect clusters and not jobs.
    """

    simulates: ClassVar[bool] = True
    dispatch: Dispatch
    job_count: int = 20_000
    seed: int = 0

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise `UnstableError` if it is unstable."""
        chains, system, streams = layout.composition(), layout.system, RandomStreams(self.seed)
        chains.check_stable()
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        jobs = jobs_of_sizes(Poisson(), system.arrival_rate_per_s, size, system.mean_job, streams)
        run = simulate_layout(chains.under(self.dispatch), jobs)
        return run.times.after_warm_up().mean_s("response")
