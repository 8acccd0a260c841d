"""One point of an experiment as objects: from a configuration to draws, and from draws to measurements."""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from system import InfeasibleError, RandomStreams, ServedModel, Servers, System, UnstableError
from system.checks import require
from system.layout import Layout
from workloads.jobs import Jobs
from workloads.workload import Workload


class Measurement(NamedTuple):
    """One number; `at` is the quantile or the coordinate of a curve where the metric has one."""

    metric: str  # ends in its unit where it has one
    value: float
    at: float = float("nan")


class Row(NamedTuple):
    """A measurement of one draw (cluster) and replication (jobs)."""

    draw: int
    replication: int
    metric: str
    at: float
    value: float


class Refusal(NamedTuple):
    """Why a draw has no measurements; itself a result."""

    draw: int
    status: Literal["infeasible", "unstable"]
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """What some draws and replications of a case gave."""

    rows: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    simulated: bool = False  # whether any of the rows follows from simulated jobs


class Cluster(Protocol):
    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """The servers of one draw."""


class Demand(Protocol):
    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        """λ, given the servers and the workload's own rate."""

    def rate_without_servers_per_s(self) -> float | None:
        """Return λ where no servers are looked at; None for the workload's own rate."""


class Scheme(Protocol):
    """A complete algorithm (`conf/algorithm`)."""

    def compose(self, system: System, rng: np.random.Generator) -> Layout:
        """Return the layout for one system, with its rule; raise `InfeasibleError` if there is none."""


class Evaluator(Protocol):
    """`varies_with` says what makes a second evaluation differ from the first."""

    @property
    def varies_with(self) -> Literal["nothing", "draw", "replication"]: ...

    def __call__(self, draw: "Draw", replication: int) -> list[Measurement]:
        """What one replication of a draw shows."""


@dataclass(frozen=True)
class Draw:
    """The objects of one draw, each made when first asked for, so that an evaluator pays only for what it uses."""

    case: "Case"
    number: int

    @cached_property
    def system(self) -> System:
        """The system at the arrival rate that the demand says."""
        model, workload = self.case.fitted_model, self.case.fitted_workload
        servers = self.case.cluster.draw(model, self.streams())
        any_rate = System(model, servers, 1.0, workload.mean_job, self.case.target_load)
        rate = self.case.demand.arrival_rate_per_s(any_rate, workload.native_rate_per_s, self._choices("demand"))
        return replace(any_rate, arrival_rate_per_s=rate)

    @cached_property
    def layout(self) -> Layout:
        """What the scheme makes of the system."""
        return self.compose()

    def compose(self) -> Layout:
        """Return the same layout, composed anew at each call."""
        return self.case.algorithm.compose(self.system, self._choices("placement"))

    def jobs(self, replication: int) -> Jobs:
        """The jobs of one replication, the same for every scheme."""
        return self.case.fitted_workload.jobs(self.system.arrival_rate_per_s, self.streams(replication))

    def streams(self, replication: int = 0) -> RandomStreams:
        return RandomStreams(self.case.seed, self.number, replication)

    def _choices(self, name: str) -> np.random.Generator:
        return self.streams().cluster(name)


@dataclass(frozen=True)
class Case:
    """Everything that a point's numbers follow from, but for how many draws and replications are made."""

    model: ServedModel
    cluster: Cluster
    workload: Workload
    demand: Demand
    algorithm: Scheme
    evaluator: Evaluator
    target_load: float = 0.7  # ρ̄
    seed: int = 0

    def __post_init__(self) -> None:
        require(isinstance(self.seed, int) and self.seed >= 0, "seed", self.seed, "must be a whole number, 0 or above")

    @cached_property
    def fitted_model(self) -> ServedModel:
        """The served model, its cache slots enlarged if the workload asks for that."""
        tokens = self.workload.cache_tokens(self.model.cache_tokens)
        memory_gb = self.model.cache_memory_gb * tokens / self.model.cache_tokens
        return replace(self.model, cache_tokens=tokens, cache_memory_gb=memory_gb)

    @cached_property
    def fitted_workload(self) -> Workload:
        """The workload with its requests fitted to the cache slots."""
        return self.workload.fitted(self.fitted_model.cache_tokens)

    @cached_property
    def over_length_share(self) -> float:
        """Share of the requests that are longer than the model's cache slot as configured."""
        return self.workload.over_length_share(self.model.cache_tokens)

    def evaluate(self, draws: range, replications: range) -> Evaluation:
        """Every measurement of these draws and replications, or the reason why a draw has none."""
        outcome = Evaluation(simulated=simulates(self.evaluator) or simulates(self.algorithm))
        for number in draws:
            try:
                outcome.rows.extend(self._rows(number, replications))
            except InfeasibleError as error:
                outcome.refusals.append(Refusal(number, "infeasible", str(error)))
            except UnstableError as error:
                outcome.refusals.append(Refusal(number, "unstable", str(error)))
        return outcome

    def _rows(self, number: int, replications: range) -> list[Row]:
        draw = Draw(self, number)
        return [
            Row(number, replication, metric, at, float(value))
            for replication in replications
            if self._is_new(number, replication)
            for metric, value, at in self.evaluator(draw, replication)
        ]

    def _is_new(self, draw: int, replication: int) -> bool:
        """Whether this evaluation can differ from all earlier ones."""
        varies_with = self.evaluator.varies_with
        return (draw == 0 or varies_with != "nothing") and (replication == 0 or varies_with == "replication")


def simulates(part: Any) -> bool:
    """Return whether a part of a case, or a field of it, says that it simulates (`simulates = True`)."""
    if getattr(part, "simulates", False):
        return True
    return is_dataclass(part) and any(simulates(getattr(part, item.name)) for item in fields(part))
