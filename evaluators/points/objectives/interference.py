"""Objectives to choose c where jobs slow each other, by theory and by simulation, and the largest rate then."""

from dataclasses import dataclass, field, is_dataclass, replace
from typing import ClassVar

from evaluators.queueing.interference import interference, largest_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import NotApplicableError, RandomStreams
from system.checks import require_count, require_not_negative
from system.dispatch import Dispatch
from system.layout import Layout
from system.limits import JOBS
from system.service.model import ServiceModel
from system.service.shared_servers import SharedServers
from system.service.steps import Steps
from workloads.jobs import Jobs
from workloads.workload import ChunkedWorkload, Workload, require_job_memory


@dataclass(frozen=True)
class _OfWorkload:
    """A number of a layout that depends on the jobs and on how they are served."""

    workload: Workload
    service: ServiceModel
    _fits: dict[int, Workload] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fitted(self, layout: Layout) -> Workload:
        """Return the workload with its requests fitted to the layout's cache slots.

        All c have the same slots, so requests are fitted once.
        """
        tokens = layout.system.model.cache_tokens
        if tokens not in self._fits:
            self._fits[tokens] = self.workload.fitted(tokens)
        return self._fits[tokens]


@dataclass(frozen=True)
class InterferenceMean(_OfWorkload):
    """The mean response time by theory under the service model, serial step queues or lockstep."""

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise as `interference` does.

        Raises `NotApplicableError` under equation (2), too.
        """
        _require_slowing("interference", self.service)
        return interference(layout, self.fitted(layout), self.service).mean_response_s


@dataclass(frozen=True)
class ScreeningMean(_OfWorkload):
    """The mean response time by the theory, whatever jobs that slow each other are served by.

    The theory is that of serial step queues with the mean slowdown of the service model.
    """

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise as `interference` does."""
        return interference(layout, self.fitted(layout), serial_steps(self.service)).mean_response_s


@dataclass(frozen=True)
class LargestRate(_OfWorkload):
    """The largest rate ν' of serial step queues with the mean slowdown of the service model."""

    def __call__(self, layout: Layout) -> float:
        """Return ν' for a layout with chains."""
        return largest_rate_per_s(layout, self.fitted(layout), serial_steps(self.service))


@dataclass(frozen=True)
class OwnLargestRate(_OfWorkload):
    """The largest rate ν' by the theory of the service model itself."""

    def __call__(self, layout: Layout) -> float:
        """Return ν' for a layout with chains; raise as `largest_rate_per_s` does."""
        return largest_rate_per_s(layout, self.fitted(layout), self.service)


@dataclass(frozen=True)
class SimulatedResponse(_OfWorkload):
    """The simulated mean response time of jobs of the workload under any service model.

    Every composition and every cluster get the same jobs, and jobs that are evaluated have other random numbers. There
    are `job_count` of them, but at most as many as a trace has.
    """

    simulates: ClassVar[bool] = True

    dispatch: Dispatch
    job_count: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        require_count(JOBS, job_count=self.job_count)
        require_not_negative(seed=self.seed)

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise `UnstableError` if it is unstable."""
        chains, rng = layout.composition().under(self.dispatch), RandomStreams(self.seed).jobs("slowdowns")
        run = simulate_layout(chains, self.jobs(layout), self.service, rng, stop_unstable=True)
        return run.times.after_warm_up().mean_s("response")

    def jobs(self, layout: Layout) -> Jobs:
        """Return the jobs, at the rate of a layout and cut to its slots."""
        require_job_memory(self.job_count)
        workload = self.fitted(layout)
        if isinstance(workload, ChunkedWorkload) and is_dataclass(workload):
            workload = replace(workload, job_count=self.job_count)
        jobs = workload.jobs(layout.system.arrival_rate_per_s, RandomStreams(self.seed))
        return jobs.of_jobs(slice(self.job_count))


@dataclass(frozen=True)
class SimulatedSteps(SimulatedResponse):
    """The same where jobs slow each other; equation (2), which has an exact mean, is refused."""

    def __call__(self, layout: Layout) -> float:
        """Return the mean for a layout with chains; raise `UnstableError` if it is unstable."""
        _require_slowing("simulated_steps", self.service)
        return super().__call__(layout)


def serial_steps(service: ServiceModel) -> Steps:
    """Return serial step queues with the mean slowdown of a service model."""
    return Steps(slowdown=service.slowdown if isinstance(service, SharedServers) else 1.0)


def _require_slowing(tuning: str, service: ServiceModel) -> None:
    """Raise `NotApplicableError` if jobs do not slow each other."""
    if service.loop == "jobs":
        raise NotApplicableError(
            f"tuning = {tuning}: under equation (2) no request slows another; use tuning=exact_mean, or service=steps"
        )
