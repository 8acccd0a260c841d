"""Simulation as an evaluator (`conf/evaluator`) and as an objective for the choice of c (`conf/tuning`)."""

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class SimulationEvaluator:
    """Means and percentiles over the jobs after the warm-up; `slo_s` adds the share of jobs that meet it.

    The time per output token of a job is its decoding time over its tokens after the first. A job's size scales
    its time and its tokens alike, so this is the chain's own number.

    An unstable run has no steady state and is refused. Of finite work, such as a trace that is replayed once, it may be
    reported instead: every job is served, and `is_unstable` is 1.
    """

    warm_up: float = 0.1  # share of the jobs
    unstable: Literal["refuse", "report"] = "refuse"
    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
    slo_s: float | None = None

    def __post_init__(self) -> None:
        require_not_negative(warm_up=self.warm_up)
        require(self.warm_up < 1, "warm_up", self.warm_up, "is a share of the jobs, at least 0 and below 1")
        require(self.unstable in ("refuse", "report"), "unstable", self.unstable, "must be refuse or report")
        for q in self.quantiles:
            require_share(quantiles=q)
        if self.slo_s is not None:
            require_positive(slo_s=self.slo_s)

    @property
    def varies_with(self) -> Literal["replication"]:
        return "replication"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        everything = self._times(draw, replication)
        times = everything.after_warm_up(self.warm_up)
        measurements = [
            Measurement("response_mean_s", times.response_s.mean()),
            Measurement("waiting_mean_s", times.waiting_s.mean()),
            Measurement("service_mean_s", times.service_s.mean()),
            Measurement("first_token_mean_s", times.first_token_s.mean()),
            Measurement("output_token_mean_s", times.output_token_s.mean()),
            Measurement("waiting_probability", float(np.mean(times.waiting_s > 0))),
            Measurement("over_length_share", draw.case.over_length_share),
            *self._quantiles("response_quantile_s", times.response_s),
            *self._quantiles("waiting_quantile_s", times.waiting_s),
            *self._quantiles("service_quantile_s", times.service_s),
            *self._quantiles("first_token_quantile_s", times.first_token_s),
        ]
        if isinstance(draw.composed, Composition):
            measurements.append(Measurement("load", draw.system.arrival_rate_per_s / draw.composed.total_rate_per_s))
        if self.unstable == "report":
            measurements.append(Measurement("is_unstable", float(is_unstable(everything))))
        if self.slo_s is not None:
            measurements.append(Measurement("slo_share", float(np.mean(times.response_s <= self.slo_s)), self.slo_s))
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
            raise UnstableError(
                f"dispatch = {draw.dispatch.policy.__name__}: jobs leave more slowly than they come, though all chains "
                "together are fast enough; lower the rate or take another policy"
            )
        return times

    def _quantiles(self, metric: str, values: NDArray[np.float64]) -> list[Measurement]:
        return [
            Measurement(metric, value, q)
            for q, value in zip(self.quantiles, np.quantile(values, self.quantiles), strict=True)
        ]


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
