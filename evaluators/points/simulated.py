"""Simulation as evaluators (`conf/evaluator`) and as an objective to choose c (`conf/tuning`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Draw, Measurement
from evaluators.points.metrics import Answer
from evaluators.points.report import Report
from evaluators.queueing.interference import known_largest_rate_per_s
from evaluators.simulation.layout import simulate_layout
from evaluators.simulation.run_length import MSER, drift, mser_warm_up, relaxation_jobs
from evaluators.simulation.stability import has_been_unstable
from evaluators.simulation.streamed import chunk_size, stream_layout
from system import NotApplicableError, RandomStreams
from system.checks import is_finite_number, require, require_count, require_not_negative
from system.dispatch import Dispatch
from system.layout import Layout
from system.limits import JOBS
from system.random_streams import is_deterministic
from system.response import WARM_UP, JobTimes, Limits, Run
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import jobs_of_sizes
from workloads.traces import Replay
from workloads.workload import ChunkedWorkload, require_job_memory


@dataclass(frozen=True)
class JobReport(Report):
    """A report of jobs that leaves out the warm-up.

    The warm-up is the first share `warm_up` of the jobs, or what MSER-5 chooses from their response times (`mser`).
    """

    warm_up: float | Literal["mser"] = WARM_UP

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm_up != MSER:
            is_share = is_finite_number(self.warm_up) and 0 <= self.warm_up < 1
            remedy = f"must be a share of the jobs, at least 0 and below 1, or {MSER}"
            require(is_share, "warm_up", self.warm_up, remedy)

    def first_job(self, response_s: NDArray[np.float64]) -> int:
        """Return the number of the first job that is reported.

        For MSER-5, jobs that failed do not count; their times are NaN.
        """
        if self.warm_up == MSER:
            served = np.flatnonzero(~np.isnan(response_s))
            return int(served[mser_warm_up(response_s[served])])
        return int(response_s.size * self.warm_up)

    def chosen_warm_up(self, first: int) -> Iterator[Measurement]:
        """Yield the number of jobs that MSER-5 chose to leave out."""
        if self.warm_up == MSER:
            yield Measurement("warm_up_jobs", first)

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

    @property
    def deterministic(self) -> bool:
        """Return whether the times follow from the layout and the jobs alone."""
        return is_deterministic(self.service)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unstable in ("refuse", "report"), "unstable", self.unstable, "must be refuse or report")

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Simulate the jobs of one replication and report them."""
        jobs, run = self.simulate(draw, replication)
        answer = self.answer(draw, jobs, run)
        times, _ = answer.by_job()
        measurements = self.measurements(answer)
        measurements += self.chosen_warm_up(len(jobs) - times.arrival_s.size)
        if self.unstable == "refuse":
            measurements += run_length(draw, self.service, times.arrival_s.size, drift(times.response_s))
        else:
            measurements.append(Measurement("is_unstable", float(has_been_unstable(run.times))))
        return [*measurements, *part_means(times), *utilisations(draw.layout, run)]

    def simulate(self, draw: Draw, replication: int) -> tuple[Jobs, Run]:
        """Return the jobs of one replication and what came of them, the warm-up included."""
        rng, jobs = draw.streams(replication).jobs("slowdowns"), draw.jobs(replication)
        return jobs, simulate_layout(draw.layout, jobs, self.service, rng, stop_unstable=self.unstable == "refuse")

    def answer(self, draw: Draw, jobs: Jobs, run: Run) -> Answer:
        """Return the times of the reported jobs, those after the warm-up."""
        reported = slice(self.first_job(run.times.response_s), None)
        return Answer(draw, run.times.of_jobs(reported), jobs.of_jobs(reported), run)


def run_length(draw: Draw, service: ServiceModel, job_count: int, drifted: float) -> Iterator[Measurement]:
    """Yield the drift of a run and its length in relaxation times.

    The run has `job_count` jobs after the warm-up. A trace has neither, as it cannot be made longer. The length is left
    out where no theory gives the largest stable rate.
    """
    if isinstance(draw.case.workload, Replay):
        return
    if not np.isnan(drifted):
        yield Measurement("response_drift", drifted)
    load = draw.layout.load if service.loop == "jobs" else load_of_saturation(draw, service)
    if not np.isnan(relaxation := relaxation_jobs(draw.layout, load)):
        yield Measurement("run_relaxations", job_count / relaxation)


def load_of_saturation(draw: Draw, service: ServiceModel) -> float:
    """Return λ/ν' where jobs slow each other.

    It is NaN where no theory knows ν', the largest stable rate.
    """
    largest_per_s = known_largest_rate_per_s(draw.layout, draw.case.fitted_workload, service)
    return float("nan") if largest_per_s is None else draw.system.arrival_rate_per_s / largest_per_s


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

    The mean response time comes with the half-width of its 95 % interval. Layouts must have chains, and jobs must be
    synthetic or of drawn lengths, with independent gaps. An unstable run is refused. MSER-5 is refused, as it needs the
    times of all jobs.
    """

    simulates: ClassVar[bool] = True
    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        super().__post_init__()
        remedy = "needs the times of all jobs at once; give a share of the jobs or use evaluator=simulation"
        require(self.warm_up != MSER, "warm_up", self.warm_up, remedy)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Simulate the jobs of one replication in chunks and report them."""
        workload, streams = _chunked(draw), draw.streams(replication)
        size, count = chunk_size(workload.job_count), workload.job_count
        chunks = workload.chunks(draw.system.arrival_rate_per_s, streams, size)
        first = int(count * float(self.warm_up))
        limits: list[Limits] = [{"waiting": 0.0}, *self.limits.values()]
        times = stream_layout(draw.layout, chunks, count, self.service, first, limits, streams.jobs("slowdowns"))
        measurements, half_width_s = self.measurements(Answer(draw, times)), times.half_width_s("response")
        if not np.isnan(half_width_s):
            measurements.append(Measurement("response_mean_half_width_s", half_width_s))
        return [*measurements, *run_length(draw, self.service, count - first, times.drift())]


def _chunked(draw: Draw) -> ChunkedWorkload:
    """Return the workload; raise `NotApplicableError` unless it can be drawn in chunks."""
    workload = draw.case.fitted_workload
    if not isinstance(workload, ChunkedWorkload):
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

    def __post_init__(self) -> None:
        require_count(JOBS, job_count=self.job_count)
        require_not_negative(seed=self.seed)

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise `UnstableError` if it is unstable."""
        chains, system, streams = layout.composition(), layout.system, RandomStreams(self.seed)
        chains.check_stable()
        require_job_memory(self.job_count)
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        jobs = jobs_of_sizes(Poisson(), system.arrival_rate_per_s, size, system.mean_job, streams)
        run = simulate_layout(chains.under(self.dispatch), jobs)
        return run.times.after_warm_up().mean_s("response")
