"""Theory as evaluators (`conf/evaluator`) and as objectives to choose c (`conf/tuning`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from algorithms.placement.reservation import needed_chains
from evaluators.points.case import Draw, Measurement
from evaluators.points.metrics import Answer
from evaluators.points.report import Report
from evaluators.queueing.bound import response_bound_s
from evaluators.queueing.certificate.certificate import Certificate
from evaluators.queueing.certificate.hosts import hosts_of
from evaluators.queueing.floor import response_floor_s
from evaluators.queueing.steady_state import bounds_s, markov_chain, require_jffc, require_theory, steady_state
from system import InputError, NotApplicableError
from system.checks import require_not_negative, require_one_of, require_share
from system.layout import Layout
from system.random_streams import deterministic, is_deterministic
from workloads.synthetic import is_poisson_exponential


@deterministic
def composition_facts(draw: Draw, replication: int) -> list[Measurement]:
    """Return the sizes, rates and capacities of a composition."""
    composition = draw.layout.composition()
    rate = draw.system.arrival_rate_per_s
    hosted = composition.placement.block_count[composition.placement.block_count > 0]
    return [
        Measurement("arrival_rate_per_s", rate),
        Measurement("total_rate_per_s", composition.total_rate_per_s),
        Measurement("load", rate / composition.total_rate_per_s),
        Measurement("reserved_capacity", composition.placement.reserved_capacity),
        Measurement("reserved_chain_count", composition.placement.reserved_chain_count),
        Measurement("chain_count", len(composition)),
        Measurement("slot_count", composition.total_capacity),
        Measurement("fastest_chain_s", composition.mean_service_s[0]),
        Measurement("hosting_server_count", hosted.size),
        Measurement("hosted_blocks_max", hosted.max()),
        Measurement("hosted_blocks_min", hosted.min()),
        Measurement("chain_capacity_max", composition.capacity.max()),
        Measurement("chain_capacity_min", composition.capacity.min()),
    ]


@deterministic
def theorem4_bounds(draw: Draw, replication: int) -> list[Measurement]:
    """Return Theorem 4's bounds on the mean response time."""
    require_jffc("theorem4", draw.layout, draw.case.workload)
    bounds = bounds_s(draw.layout)
    return [Measurement("response_lower_s", bounds.lower_s), Measurement("response_upper_s", bounds.upper_s)]


@deterministic
def markov_means(draw: Draw, replication: int) -> list[Measurement]:
    """Return the results of the full Markov chain, for small systems."""
    require_jffc("markov", draw.layout, draw.case.workload)
    solved = markov_chain(draw.layout)
    return [
        Measurement("response_mean_s", solved.mean_response_s),
        Measurement("waiting_probability", solved.waiting_probability),
    ]


@deterministic
def response_floor(draw: Draw, replication: int) -> list[Measurement]:
    """Return a mean response time that no scheme can beat on this system.

    It shows how much there is left to gain.
    """
    _require_poisson_exponential("floor", draw)
    return [Measurement("response_floor_s", response_floor_s(draw.system))]


def _require_poisson_exponential(evaluator: str, draw: Draw) -> None:
    """Raise `NotApplicableError` unless arrivals are Poisson, sizes exponential and hops over the hub."""
    draw.system.require_hub(f"evaluator = {evaluator}", "use forwarding=hub or evaluator=simulation")
    if not is_poisson_exponential(draw.case.workload):
        raise NotApplicableError(
            f"evaluator = {evaluator}: holds for Poisson arrivals and exponential sizes only; use evaluator=simulation"
        )


@dataclass(frozen=True)
class BoundEvaluator:
    """The certificate: what no composition of the servers and no dispatch policy can beat.

    `branches` is how often the possible placements are divided for a closer bound, which suits up to ten servers.
    """

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    branches: int = 0

    def __post_init__(self) -> None:
        require_not_negative(branches=self.branches)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: theory needs no jobs."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the bounds of one draw.

        Raises `NotApplicableError` unless arrivals are Poisson and sizes exponential, and `InfeasibleError` or
        `UnstableError` if no composition is feasible or stable.
        """
        _require_poisson_exponential("bound", draw)
        certificate = Certificate(hosts_of(draw.system))
        response = certificate.response(draw.system.arrival_rate_per_s)
        bound_s = response_bound_s(draw.system, self.branches) if self.branches else response.bound_s
        return [
            Measurement("response_bound_s", bound_s),
            Measurement("rate_bound_per_s", certificate.largest_rate_per_s),
            Measurement("bound_looseness", response.looseness),
        ]


@dataclass(frozen=True)
class ExactEvaluator(Report):
    """The exact steady state, with the metrics of the simulation but without its noise."""

    deterministic: ClassVar[bool] = True
    uses_jobs: ClassVar[bool] = False

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: theory needs no jobs."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the statistics of one draw.

        Raises `NotApplicableError` unless arrivals are Poisson, sizes exponential and jobs dispatched by JFFC or
        thresholds.
        """
        require_theory("exact", draw.layout, draw.case.workload)
        return self.measurements(Answer(draw, steady_state(draw.layout)))


@dataclass(frozen=True)
class PerDraw:
    """An evaluator whose results follow from the draw alone."""

    uses_jobs: ClassVar[bool] = False

    measure: Callable[[Draw, int], list[Measurement]]

    @property
    def deterministic(self) -> bool:
        """Return whether the function uses no random numbers of its own."""
        return is_deterministic(self.measure)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: no jobs are drawn."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Measure one draw."""
        return self.measure(draw, replication)


@dataclass(frozen=True)
class Surrogate:
    """The surrogate (9): c K(c) job servers, as an objective.

    With `chains` = `needed`, the first K(c) reserved chains reach the rate λ/(ρ̄c), as in the paper's text. With `all`,
    K(c) counts all reserved chains, as in the authors' simulator. That is not the default, because it ignores the rate.
    """

    chains: str = "needed"

    def __post_init__(self) -> None:
        require_one_of(("needed", "all"), chains=self.chains)

    def __call__(self, layout: Layout) -> float:
        """Return c K(c).

        Raises `InfeasibleError` if the needed chains are more than there are, and `InputError` if the placement
        reserves no chains.
        """
        placement = layout.composition().placement
        if placement.reserved_chain_count == 0:
            raise InputError("surrogate: this placement reserves no chains; use another objective or evaluator")
        if self.chains == "all":
            return float(placement.reserved_job_servers)
        return float(placement.reserved_capacity * needed_chains(layout.system, placement))


@dataclass(frozen=True)
class SurrogateResponse:
    """The surrogate (9) on the scale of a response time, c K(c) / λ, as in the paper's figures."""

    deterministic: ClassVar[bool] = True

    surrogate: Surrogate

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Return c K(c) / λ of one draw."""
        return [Measurement("surrogate_response_s", self.surrogate(draw.layout) / draw.system.arrival_rate_per_s)]


def lower_bound_s(layout: Layout) -> float:
    """Return Theorem 4's lower bound on the mean response time."""
    return bounds_s(layout).lower_s


def upper_bound_s(layout: Layout) -> float:
    """Return Theorem 4's upper bound on the mean response time."""
    return bounds_s(layout).upper_s


def exact_mean_s(layout: Layout) -> float:
    """Return the exact mean response time."""
    return steady_state(layout).mean_s("response")


@dataclass(frozen=True)
class ExactPercentile:
    """The exact response time that a share `q` of the jobs does not exceed."""

    q: float

    def __post_init__(self) -> None:
        require_share(q=self.q)

    def __call__(self, layout: Layout) -> float:
        """Return the percentile for a layout."""
        return steady_state(layout).quantile_s("response", self.q)
