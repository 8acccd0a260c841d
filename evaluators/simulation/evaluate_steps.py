"""Simulation with a queue of steps at each server as an evaluator (`conf/evaluator/simulation_steps.yaml`)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.case import Draw, Measurement
from evaluators.simulation.evaluate import SimulationEvaluator
from evaluators.simulation.steps import Batching, StepJobTimes, StepRun, check_batching, simulate_steps
from system import Composition, Streams
from system.checks import require_not_negative, require_positive

SLOWDOWNS = 1 << 16  # drawn; a longer run takes them again
PARTS = ("compute", "queue", "communication")


@dataclass(frozen=True, kw_only=True)
class StepSimulationEvaluator(SimulationEvaluator):
    """As its base class, with jobs that slow each other: each server computes one step at a time (`steps`).

    Adds the parts of the mean service time and the utilisation of each server that jobs may use, over the whole run.
    The limit of stability is lower than that of equation (4) where one server is too busy, and only a run shows it.
    """

    batching: Batching = "serial"
    further_share: float = 0.0  # under batching=decode: what each further step of a stack adds
    handling_s: float = 0.0  # that a server takes for each step beside its computation
    slowdown: float = 1.0  # of computing, against what the servers' coefficients say; the mean
    slowdown_cv: float = 0.0  # and its standard deviation from step to step over the mean, gamma distributed

    def __post_init__(self) -> None:
        super().__post_init__()
        check_batching(self.batching, self.further_share)
        require_not_negative(handling_s=self.handling_s)
        require_positive(slowdown=self.slowdown)
        require_not_negative(slowdown_cv=self.slowdown_cv)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        run = self._run(draw, replication)
        return [
            *self.reported(draw, run.times),
            *part_means(run.times.after_warm_up(self.warm_up)),
            *utilisations(run.utilisation, np.flatnonzero(draw.composed.slots_used())),
        ]

    def _run(self, draw: Draw, replication: int) -> StepRun:
        """All jobs; raises `UnstableError` for an unstable run if it is to be refused."""
        composed, refuse = draw.composed, self.unstable == "refuse"
        dispatch = draw.dispatch if isinstance(composed, Composition) else None
        if refuse and isinstance(composed, Composition):
            composed.check_stable()
        how = (self.batching, self.further_share, self.handling_s, self._slowdowns(draw.streams(replication)))
        return simulate_steps(composed, draw.jobs(replication), dispatch, *how, stop_unstable=refuse)

    def _slowdowns(self, streams: Streams) -> NDArray[np.float64]:
        """Of the computations one after the other."""
        if self.slowdown_cv == 0:
            return np.full(1, self.slowdown)
        shape = self.slowdown_cv**-2
        return streams.jobs("slowdowns").gamma(shape, self.slowdown / shape, SLOWDOWNS)


def part_means(times: StepJobTimes) -> Iterator[Measurement]:
    """Of what a job's service time is made in the mean."""
    for part in PARTS:
        yield Measurement(f"{part}_mean_s", float(getattr(times, f"{part}_s").mean()))


def utilisations(shares: NDArray[np.float64], servers: NDArray[np.int64]) -> Iterator[Measurement]:
    """Of these servers, given those of all (J,)."""
    for j in servers.tolist():
        yield Measurement("server_utilisation", float(shares[j]), j)
