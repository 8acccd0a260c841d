"""Simulation as evaluators (`conf/evaluator`) and as an objective for the choice of c (`conf/tuning`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evaluators.points.case import Draw, Measurement
from evaluators.points.report import Report
from evaluators.simulation.layout import simulate_layout
from evaluators.simulation.stability import has_been_unstable
from evaluators.simulation.streamed import chunk_size, stream_layout
from system import NotApplicableError, RandomStreams
from system.checks import require, require_not_negative
from system.dispatch import Dispatch
from system.layout import Layout
from system.response import WARM_UP, JobTimes, Run, Time
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload, jobs_of_sizes


@dataclass(frozen=True)
class JobReport(Report):
    """A report of jobs, which leaves out the first `warm_up` of them."""

    simulates: ClassVar[bool] = True
    warm_up: float = WARM_UP

    def __post_init__(self) -> None:
        super().__post_init__()
        require_not_negative(warm_up=self.warm_up)
        require(self.warm_up < 1, "warm_up", self.warm_up, "is a share of the jobs, at least 0 and below 1")

    @property
    def varies_with(self) -> Literal["replication"]:
        return "replication"


@dataclass(frozen=True, kw_only=True)
class SimulationEvaluator(JobReport):
    """Every job's times under a service model, with the parts of the service time and servers' use where it knows them.

    An unstable run has no steady state and is refused. Of finite work, such as a trace that is replayed once, it may be
    reported instead: every job is served, and `is_unstable` is 1.
    """

    unstable: Literal["refuse", "report"] = "refuse"
    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unstable in ("refuse", "report"), "unstable", self.unstable, "must be refuse or report")

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        rng = draw.streams(replication).jobs("slowdowns")
        refuse = self.unstable == "refuse"
        run = simulate_layout(draw.layout, draw.jobs(replication), self.service, rng, stop_unstable=refuse)
        times = run.times.after_warm_up(self.warm_up)
        measurements = self.measurements(draw, times)
        if not refuse:
            measurements.append(Measurement("is_unstable", float(has_been_unstable(run.times))))
        return [*measurements, *part_means(times), *utilisations(draw.layout, run)]


def part_means(times: JobTimes) -> Iterator[Measurement]:
    """Yield the means of the parts of the service time, where they are known."""
    for part, values in times.parts.items():
        yield Measurement(f"{part}_mean_s", float(values.mean()))


def utilisations(layout: Layout, run: Run) -> Iterator[Measurement]:
    """Yield the utilisation of each server that jobs may use, over the whole run, where it is known."""
    if run.utilisation is not None:
        for j in np.flatnonzero(layout.slots_used() * ~np.isnan(run.utilisation)).tolist():
            yield Measurement("server_utilisation", float(run.utilisation[j]), j)


@dataclass(frozen=True, kw_only=True)
class StreamedSimulation(JobReport):
    """The same jobs and statistics as `SimulationEvaluator`, in the memory of 200,000 jobs.

    The mean response time comes with the half-width of its 95 % interval. For chains, for synthetic jobs with
    independent gaps, and for service models in which jobs do not slow each other. An unstable run is refused.
    """

    service: ServiceModel = INDEPENDENT

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        workload = _synthetic(draw)
        size, count = chunk_size(workload.job_count), workload.job_count
        chunks = workload.chunks(draw.system.arrival_rate_per_s, draw.streams(replication), size)
        first = int(count * self.warm_up)
        limits: tuple[tuple[Time, float], ...] = (("waiting", 0.0), ("response", self.slo_s or 0.0))
        times = stream_layout(draw.layout, chunks, count, self.service, first, limits)
        measurements, half_width_s = self.measurements(draw, times), times.half_width_s("response")
        if not np.isnan(half_width_s):
            measurements.append(Measurement("response_mean_half_width_s", half_width_s))
        return measurements


def _synthetic(draw: Draw) -> SyntheticWorkload:
    """Return the workload, if it is one of jobs that can be drawn in chunks."""
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

    Every c meets the same jobs, and so does every cluster: intervals over draws are over clusters, not over jobs.
    """

    simulates: ClassVar[bool] = True
    dispatch: Dispatch
    job_count: int = 20_000
    seed: int = 0

    def __call__(self, layout: Layout) -> float:
        chains, system, streams = layout.composition(), layout.system, RandomStreams(self.seed)
        chains.check_stable()
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        jobs = jobs_of_sizes(Poisson(), system.arrival_rate_per_s, size, system.mean_job, streams)
        run = simulate_layout(chains.under(self.dispatch), jobs)
        return run.times.after_warm_up().mean_s("response")
