"""Simulation as an evaluator (`conf/evaluator`) and as an objective for the choice of c (`conf/tuning`)."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch import Dispatch
from algorithms.routing.links import RoutedComposition
from evaluators.case import Draw, Measurement
from evaluators.simulation.routed import is_unstable, simulate_routed
from evaluators.simulation.simulate import JobTimes, simulate
from system import Composition, Streams, UnstableError
from system.checks import require, require_not_negative, require_positive, require_share
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import jobs_of_sizes

TIMES = ("response", "waiting", "service", "first_token", "output_token")


class Statistics(Protocol):
    """What is known of jobs' times, each under a name of `TIMES`."""

    def mean_s(self, name: str) -> float:
        """NaN if no job has such a time."""

    def quantiles_s(self, name: str, shares: tuple[float, ...]) -> list[float]: ...

    def share_above(self, name: str, limit_s: float) -> float:
        """Share of the jobs whose time is above the limit."""


@dataclass(frozen=True)
class AllTimes:
    """Statistics of jobs that are all there."""

    times: JobTimes

    def mean_s(self, name: str) -> float:
        values = self._values(name)
        return float(values.mean()) if values.size else np.nan

    def quantiles_s(self, name: str, shares: tuple[float, ...]) -> list[float]:
        return [float(value) for value in np.quantile(self._values(name), shares)]

    def share_above(self, name: str, limit_s: float) -> float:
        return float(np.mean(self._values(name) > limit_s))

    def _values(self, name: str) -> NDArray[np.float64]:
        """Of the jobs that have such a time: one of a single token may have none per further token, NaN."""
        values: NDArray[np.float64] = getattr(self.times, f"{name}_s")
        return values[~np.isnan(values)] if name == "output_token" else values


@dataclass(frozen=True)
class Report:
    """Which statistics of the jobs after the warm-up are reported; `slo_s` adds the share of jobs that meet it.

    The time per output token of a job is its decoding time over its tokens after the first. A job's size scales
    its time and its tokens alike, so this is the chain's own number.
    """

    warm_up: float = 0.1  # share of the jobs
    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
    slo_s: float | None = None

    def __post_init__(self) -> None:
        require_not_negative(warm_up=self.warm_up)
        require(self.warm_up < 1, "warm_up", self.warm_up, "is a share of the jobs, at least 0 and below 1")
        for q in self.quantiles:
            require_share(quantiles=q)
        if self.slo_s is not None:
            require_positive(slo_s=self.slo_s)

    @property
    def varies_with(self) -> Literal["replication"]:
        return "replication"

    def measurements(self, draw: Draw, statistics: Statistics) -> list[Measurement]:
        """The statistics as rows, with what they are to be read beside."""
        measurements = [
            *(
                Measurement(f"{name}_mean_s", mean_s)
                for name in TIMES
                if not np.isnan(mean_s := statistics.mean_s(name))
            ),
            Measurement("waiting_probability", statistics.share_above("waiting", 0.0)),
            Measurement("over_length_share", draw.case.over_length_share),
            *(
                Measurement(f"{name}_quantile_s", value, q)
                for name in TIMES[:-1]
                for q, value in zip(self.quantiles, statistics.quantiles_s(name, self.quantiles), strict=True)
            ),
        ]
        if isinstance(draw.composed, Composition):
            measurements.append(Measurement("load", draw.system.arrival_rate_per_s / draw.composed.total_rate_per_s))
        if self.slo_s is not None:
            measurements.append(
                Measurement("slo_share", 1 - statistics.share_above("response", self.slo_s), self.slo_s)
            )
        return measurements


@dataclass(frozen=True, kw_only=True)
class SimulationEvaluator(Report):
    """Every job's times.

    An unstable run has no steady state and is refused. Of finite work, such as a trace that is replayed once, it may be
    reported instead: every job is served, and `is_unstable` is 1.
    """

    unstable: Literal["refuse", "report"] = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unstable in ("refuse", "report"), "unstable", self.unstable, "must be refuse or report")

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        return self.reported(draw, self._times(draw, replication))

    def reported(self, draw: Draw, everything: JobTimes) -> list[Measurement]:
        """The measurements of a run, given all of its jobs."""
        measurements = self.measurements(draw, AllTimes(everything.after_warm_up(self.warm_up)))
        if self.unstable == "report":
            measurements.append(Measurement("is_unstable", float(is_unstable(everything))))
        return measurements

    def _times(self, draw: Draw, replication: int) -> JobTimes:
        """All jobs' times; raises `UnstableError` for an unstable run if it is to be refused."""
        composed, jobs, refuse = draw.composed, draw.jobs(replication), self.unstable == "refuse"
        if isinstance(composed, RoutedComposition):
            return simulate_routed(composed, jobs, stop_unstable=refuse)
        if refuse:
            composed.check_stable()
        times = simulate_composition(composed, jobs, draw.dispatch)
        if refuse and not draw.dispatch.work_conserving and is_unstable(times):
            raise unstable_under(draw.dispatch)
        return times


def unstable_under(dispatch: Dispatch) -> UnstableError:
    """What is said of a policy that wastes so many slots that the others cannot keep up."""
    return UnstableError(
        f"dispatch = {dispatch.policy.__name__}: jobs leave more slowly than they come, though all chains "
        "together are fast enough; lower the rate or take another policy"
    )


def simulate_composition(composition: Composition, jobs: Jobs, dispatch: Dispatch) -> JobTimes:
    """The jobs' times on a composition's chains."""
    return simulate(jobs, composition.mean_service_s, composition.capacity, dispatch, composition.job_coefficients_s)


@dataclass(frozen=True)
class SimulatedMean:
    """The simulated mean response time under the paper's exponential model.

    Every c meets the same jobs, and so does every cluster: intervals over draws are over clusters, not over jobs.
    """

    dispatch: Dispatch
    job_count: int = 20_000
    seed: int = 0

    def __call__(self, composition: Composition) -> float:
        composition.check_stable()
        system, streams = composition.system, Streams(self.seed)
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        jobs = jobs_of_sizes(Poisson(), system.arrival_rate_per_s, size, system.mean_job, streams)
        return float(simulate_composition(composition, jobs, self.dispatch).after_warm_up(0.1).response_s.mean())
