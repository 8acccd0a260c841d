"""Fair comparisons of a plan with alternatives: under one evaluator, on the same requests."""

from dataclasses import dataclass, replace
from functools import cached_property

from evaluators.simulation import simulate_layout
from planner.choice.prediction import response_s
from planner.choice.sharing.computation import SharedComputation, paired_difference_s, shared_computation
from planner.choice.sharing.sustained import MANY
from planner.results import MUCH, Comparison, Plan, Prediction
from system import Composition, InputError, RandomStreams, UnstableError
from system.layout import Layout
from system.response import JobTimes
from workloads.synthetic import SyntheticWorkload
from workloads.workload import Workload

NEAR = 0.95  # load by equation (2) beyond which a simulation is too short for a comparison
ROUTED_JOBS = 20_000  # simulated for a routed scheme if the workload is random


@dataclass(frozen=True)
class Comparisons:
    """The evaluator under which a plan and its alternatives are compared.

    Above half of the rate that the servers compute it is the simulation of shared computation. Below, it is the theory,
    or a simulation of equation (2) where one of the two has no theory.
    """

    plan: Plan
    seed: int = 0

    def with_layout(self, layout: Layout, prediction: Prediction) -> Comparison | None:
        """Return the goal's response times of the plan and of an alternative.

        Return None near load 1, where no evaluator knows both, and for layouts that the plan's engine cannot start.
        """
        ours, quantile = self.plan.prediction, self.plan.inventory.goal.quantile
        if self.plan.inventory.engine.own_servers and not (
            isinstance(layout, Composition) and not layout.shared_servers
        ):
            return None
        if self._shared is not None and len(self.plan.inventory.servers) >= MANY:
            return None  # simulations of so many servers take too long
        if max(ours.load or 0.0, prediction.load or 0.0) > NEAR:
            return None
        if self._shared is None and ours.method == prediction.method == "exact":
            return Comparison(ours.time_s(quantile), prediction.time_s(quantile), 0.0)
        try:
            return self._simulated(layout)
        except InputError:  # the layout does not carry the rate, or the engine cannot compute like this
            return None

    def _simulated(self, layout: Layout) -> Comparison | None:
        other, own, quantile = self._times(layout), self._own_times, self.plan.inventory.goal.quantile
        if own is None:
            return Comparison(None, response_s(other, quantile), 0.0)
        spread_s = paired_difference_s(own, other, quantile)[1]
        return Comparison(response_s(own, quantile), response_s(other, quantile), spread_s)

    @cached_property
    def _own_times(self) -> JobTimes | None:
        """Return the plan's times; None if its servers are too slow."""
        try:
            return self._times(self.plan.composition)
        except UnstableError:
            return None

    def _times(self, layout: Layout) -> JobTimes:
        if self._shared is not None:
            return self._shared.times(layout, self.plan.composition)
        inventory, streams = self.plan.inventory, RandomStreams(self.seed)
        jobs = routed_workload(inventory.workload).jobs(self.plan.prediction.rate_per_s, streams)
        rng = streams.jobs("slowdowns")
        return simulate_layout(layout, jobs, inventory.service.model, rng, stop_unstable=True).times.after_warm_up()

    @cached_property
    def _shared(self) -> SharedComputation | None:
        """Return the simulation of shared computation if the rate needs it."""
        if self.plan.load_of_computation <= MUCH:
            return None
        return shared_computation(self.plan.inventory, self.seed)


def routed_workload(workload: Workload) -> Workload:
    """Return the workload, with `ROUTED_JOBS` jobs if it is synthetic."""
    return replace(workload, job_count=ROUTED_JOBS) if isinstance(workload, SyntheticWorkload) else workload
