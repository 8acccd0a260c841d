"""The closed forms as evaluators (`conf/evaluator`) and as objectives for the choice of c (`conf/tuning`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from algorithms.dispatch.jffc import JFFC
from algorithms.placement.reservation import needed_chains
from evaluators.case import Draw, Measurement
from evaluators.queueing.exact import exact
from evaluators.queueing.floor import response_floor_s
from evaluators.queueing.markov import markov
from evaluators.queueing.theorem4 import theorem4
from system import Composition, InputError, NotApplicableError
from system.checks import require_positive, require_share
from workloads.synthetic import is_poisson_exponential


def composition_facts(draw: Draw, replication: int) -> list[Measurement]:
    """What a composition looks like, without asking how it performs."""
    composition = draw.composition
    rate = draw.system.arrival_rate_per_s
    hosted = composition.placement.block_count[composition.placement.block_count > 0]
    return [
        Measurement("arrival_rate_per_s", rate),
        Measurement("total_rate_per_s", composition.total_rate_per_s),
        Measurement("load", rate / composition.total_rate_per_s),
        Measurement("reserved_capacity", composition.placement.reserved_capacity),
        Measurement("chain_count", len(composition)),
        Measurement("slot_count", composition.slot_count),
        Measurement("fastest_chain_s", composition.mean_service_s[0]),
        Measurement("hosting_server_count", hosted.size),
        Measurement("hosted_blocks_max", hosted.max()),
        Measurement("hosted_blocks_min", hosted.min()),
        Measurement("chain_capacity_max", composition.capacity.max()),
        Measurement("chain_capacity_min", composition.capacity.min()),
    ]


def surrogate_response(draw: Draw, replication: int) -> list[Measurement]:
    """c K(c) / λ: the surrogate (9) on the scale of a response time, as the paper draws it."""
    return [Measurement("surrogate_response_s", job_servers(draw.composition) / draw.system.arrival_rate_per_s)]


def theorem4_bounds(draw: Draw, replication: int) -> list[Measurement]:
    """Theorem 4's bounds on the mean response time."""
    _require_poisson_exponential_jffc(draw, "theorem4")
    bounds = theorem4(*_queue(draw.composition))
    return [Measurement("response_lower_s", bounds.lower_s), Measurement("response_upper_s", bounds.upper_s)]


def markov_means(draw: Draw, replication: int) -> list[Measurement]:
    """The sparse Markov solve, for small systems."""
    _require_poisson_exponential_jffc(draw, "markov")
    solved = markov(*_queue(draw.composition))
    return [
        Measurement("response_mean_s", solved.mean_response_s),
        Measurement("waiting_probability", solved.waiting_probability),
    ]


def response_floor(draw: Draw, replication: int) -> list[Measurement]:
    """A mean response time that no scheme can beat on this system: what is left to gain."""
    if not is_poisson_exponential(draw.case.workload):
        raise NotApplicableError("evaluator = floor: holds for Poisson arrivals and exponential sizes only")
    return [Measurement("response_floor_s", response_floor_s(draw.system))]


@dataclass(frozen=True)
class ExactEvaluator:
    """The exact steady state: the same metrics as the simulation, without its noise."""

    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
    slo_s: float | None = None

    def __post_init__(self) -> None:
        for q in self.quantiles:
            require_share(quantiles=q)
        if self.slo_s is not None:
            require_positive(slo_s=self.slo_s)

    @property
    def varies_with(self) -> Literal["draw"]:
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        _require_poisson_exponential_jffc(draw, "exact")
        composition = draw.composition
        solved = exact(*_queue(composition))
        prefill_s = composition.mean_first_token_s
        measurements = [
            Measurement("response_mean_s", solved.mean_response_s),
            Measurement("waiting_mean_s", solved.mean_waiting_s),
            Measurement("service_mean_s", solved.mean_service_s),
            Measurement("first_token_mean_s", solved.mean_first_token_s(prefill_s)),
            Measurement("output_token_mean_s", float(solved.chain_shares @ composition.job_coefficients_s[:, 2])),
            Measurement("waiting_probability", solved.waiting_probability),
            Measurement("load", solved.arrival_rate_per_s / solved.total_rate_per_s),
            Measurement("over_length_share", draw.case.over_length_share),
        ]
        for q in self.quantiles:
            measurements += [
                Measurement("response_quantile_s", solved.percentile_s(q), q),
                Measurement("waiting_quantile_s", solved.waiting_percentile_s(q), q),
                Measurement("service_quantile_s", solved.service_percentile_s(q), q),
                Measurement("first_token_quantile_s", solved.first_token_percentile_s(q, prefill_s), q),
            ]
        if self.slo_s is not None:
            measurements.append(Measurement("slo_share", 1 - solved.tail(self.slo_s), self.slo_s))
        return measurements


@dataclass(frozen=True)
class OnceADraw:
    """An evaluator whose answer follows from the composition alone."""

    measure: Callable[[Draw, int], list[Measurement]]

    @property
    def varies_with(self) -> Literal["draw"]:
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        return self.measure(draw, replication)


def job_servers(composition: Composition) -> float:
    """c K(c) of the surrogate (9): the first K(c) reserved chains reach the rate λ/(ρ̄c); infeasible if all do not."""
    placement = composition.placement
    if (placement.reserved_chain < 0).all():
        raise InputError("surrogate: this placement reserves no chains, choose another objective or evaluator")
    return float(placement.reserved_capacity * needed_chains(composition.system, placement))


def lower_bound_s(composition: Composition) -> float:
    """Theorem 4's lower bound."""
    return theorem4(*_queue(composition)).lower_s


def upper_bound_s(composition: Composition) -> float:
    """Theorem 4's upper bound."""
    return theorem4(*_queue(composition)).upper_s


def exact_mean_s(composition: Composition) -> float:
    """The exact mean response time."""
    return exact(*_queue(composition)).mean_response_s


@dataclass(frozen=True)
class ExactPercentile:
    """The exact response time that a share `q` of the jobs does not exceed."""

    q: float

    def __call__(self, composition: Composition) -> float:
        return exact(*_queue(composition)).percentile_s(self.q)


def _queue(composition: Composition) -> tuple[float, np.ndarray, np.ndarray]:
    """λ, μ and c of a composition; raises unless it is stable."""
    composition.check_stable()
    return composition.system.arrival_rate_per_s, composition.service_rate_per_s, composition.capacity


def _require_poisson_exponential_jffc(draw: Draw, evaluator: str) -> None:
    """The theory holds for Poisson arrivals, exponential sizes and JFFC only; anything else is for the simulation."""
    if not (is_poisson_exponential(draw.case.workload) and draw.dispatch.policy is JFFC.policy):
        raise NotApplicableError(
            f"evaluator = {evaluator}: holds for Poisson arrivals, exponential sizes and JFFC only; "
            "use evaluator=simulation"
        )
