"""One point of an experiment as objects: from a configuration to draws and measurements."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from system import InfeasibleError, RandomStreams, ServedModel, Servers, System, UnstableError
from system.checks import require, require_share
from system.layout import Layout
from system.limits import SEED
from system.random_streams import is_deterministic
from workloads.jobs import Jobs
from workloads.traces import Replay
from workloads.workload import Workload

Varying = Literal["nothing", "draw", "replication"]


class Measurement(NamedTuple):
    """One measured number.

    `at` is the quantile, or the coordinate on a curve, if the metric has one; otherwise it is NaN.
    """

    metric: str  # ends in its unit if it has one
    value: float
    at: float = float("nan")


class Row(NamedTuple):
    """A measurement of one draw (a cluster) and one replication (a set of jobs)."""

    draw: int
    replication: int
    metric: str
    at: float
    value: float


class Refusal(NamedTuple):
    """The reason why a draw has no measurements, which is itself a result."""

    draw: int
    status: Literal["infeasible", "unstable"]
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """The results of some draws and replications of a case."""

    rows: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    simulated: bool = False  # whether any of the rows follows from simulated jobs
    varies_with: Varying = "replication"


class Cluster(Protocol):
    """A random or fixed cluster of servers (`conf/cluster`)."""

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers of one draw."""


class Demand(Protocol):
    """A rule for the arrival rate (`conf/demand`)."""

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        """Return λ for a system and the workload's own rate."""

    def rate_without_servers_per_s(self) -> float | None:
        """Return λ for evaluators without servers; None means the workload's own rate."""


class Scheme(Protocol):
    """A complete algorithm (`conf/algorithm`)."""

    def compose(self, system: System, rng: np.random.Generator) -> Layout:
        """Return the layout for a system, with its rule.

        Raises `InfeasibleError` if there is none.
        """


class Evaluator(Protocol):
    """A way to measure one draw of a case (`conf/evaluator`).

    An evaluator whose numbers follow from the layout and the jobs says so by `deterministic = True`, and one that does
    not look at jobs by `uses_jobs = False` (`Case.varies_with`).
    """

    @property
    def varies_with(self) -> Varying:
        """Return what can make a second evaluation differ from the first."""

    def __call__(self, draw: "Draw", replication: int) -> list[Measurement]:
        """Measure one replication of a draw."""


@dataclass(frozen=True)
class Draw:
    """The objects of one draw.

    Each is made when it is first used, so that an evaluator pays only for what it needs.
    """

    case: "Case"
    number: int

    @cached_property
    def system(self) -> System:
        """Return the system at the demand's rate and with the scheme's forwarding."""
        model, workload = self.case.fitted_model, self.case.fitted_workload
        servers = self.case.cluster.draw(model, self.streams())
        any_rate = System(model, servers, 1.0, workload.mean_job, self.case.target_load)
        rate = self.case.demand.arrival_rate_per_s(any_rate, workload.native_rate_per_s, self._choices("demand"))
        forwarding = getattr(self.case.algorithm, "forwarding", any_rate.forwarding)
        return replace(any_rate, arrival_rate_per_s=rate, forwarding=forwarding)

    @cached_property
    def layout(self) -> Layout:
        """Return the scheme's layout for the system."""
        return self.compose()

    def compose(self) -> Layout:
        """Return the same layout, composed anew at every call."""
        return self.case.algorithm.compose(self.system, self._choices("placement"))

    def jobs(self, replication: int) -> Jobs:
        """Return the jobs of one replication; they are the same for every scheme."""
        return self.case.fitted_workload.jobs(self.system.arrival_rate_per_s, self.streams(replication))

    def streams(self, replication: int = 0) -> RandomStreams:
        """Return the random streams of one replication of the draw."""
        return self.case.random_numbers(self.case.seed, self.number, replication)

    def _choices(self, name: str) -> np.random.Generator:
        return self.streams().cluster(name)


@dataclass(frozen=True)
class Case:
    """Everything that a point's numbers follow from, except the counts of draws and replications."""

    model: ServedModel
    cluster: Cluster
    workload: Workload
    demand: Demand
    algorithm: Scheme
    evaluator: Evaluator
    target_load: float = 0.7  # ρ̄
    seed: int = 0
    random_numbers: Callable[[int, int, int], RandomStreams] = RandomStreams  # of seed, draw and replication

    def __post_init__(self) -> None:
        is_seed = isinstance(self.seed, int) and 0 <= self.seed <= SEED
        require(is_seed, "seed", self.seed, f"must be a whole number from 0 to {SEED:,}")
        require_share(target_load=self.target_load)

    @cached_property
    def fitted_model(self) -> ServedModel:
        """Return the served model, with larger cache slots if the workload needs them."""
        tokens = self.workload.cache_tokens(self.model.cache_tokens)
        memory_gb = self.model.cache_memory_gb * tokens / self.model.cache_tokens
        return replace(self.model, cache_tokens=tokens, cache_memory_gb=memory_gb)

    @cached_property
    def fitted_workload(self) -> Workload:
        """Return the workload with its requests fitted to the cache slots."""
        return self.workload.fitted(self.fitted_model.cache_tokens)

    @cached_property
    def over_length_share(self) -> float:
        """Return the share of requests that exceed the model's configured cache slot."""
        return self.workload.over_length_share(self.model.cache_tokens)

    @cached_property
    def varies_with(self) -> Varying:
        """Return what makes a second evaluation differ from the first.

        It is what the evaluator says, but nothing if no part of the case is random.
        """
        uses_jobs = getattr(self.evaluator, "uses_jobs", True)
        parts = (self.cluster, self.demand, self.algorithm, self.evaluator, *([self.workload] if uses_jobs else []))
        return "nothing" if is_deterministic(*parts) else self.evaluator.varies_with

    @property
    def unanswered_requests(self) -> int:
        """Return how many of the replayed requests came without an answer."""
        return self.workload.unanswered_requests if isinstance(self.workload, Replay) else 0

    def evaluate(self, draws: range, replications: range) -> Evaluation:
        """Measure the given draws and replications.

        A draw that is infeasible or unstable gets a refusal with the reason instead of rows.
        """
        simulated = simulates(self.evaluator) or simulates(self.algorithm)
        evaluation = Evaluation(simulated=simulated, varies_with=self.varies_with)
        for number in draws:
            try:
                evaluation.rows.extend(self._rows(number, replications))
            except InfeasibleError as error:
                evaluation.refusals.append(Refusal(number, "infeasible", str(error)))
            except UnstableError as error:
                evaluation.refusals.append(Refusal(number, "unstable", str(error)))
        return evaluation

    def _rows(self, number: int, replications: range) -> list[Row]:
        draw = Draw(self, number)
        return [
            Row(number, replication, metric, at, float(value))
            for replication in replications
            if self._is_new(number, replication)
            for metric, value, at in self.evaluator(draw, replication)
        ]

    def _is_new(self, draw: int, replication: int) -> bool:
        """Return whether this evaluation can differ from all earlier ones."""
        varies_with = self.varies_with
        return (draw == 0 or varies_with != "nothing") and (replication == 0 or varies_with == "replication")


def simulates(part: Any) -> bool:
    """Return whether a part of a case, or one of its fields, simulates.

    Such a part says so by `simulates = True`.
    """
    if getattr(part, "simulates", False):
        return True
    return is_dataclass(part) and any(simulates(getattr(part, item.name)) for item in fields(part))
