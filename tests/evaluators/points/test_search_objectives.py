"""Objectives of the search: percentiles, the largest rate, and the workload's own mean."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.composition_search import search
from algorithms.placement.gbp_cr import GbpCr
from evaluators.points.case import simulates
from evaluators.points.objectives.composition import (
    ExactMean,
    LargestRateUnderSlo,
    LargestTotalRate,
    SearchedMean,
    SearchedPercentile,
    least_of,
)
from evaluators.points.objectives.interference import SimulatedResponse
from evaluators.points.theory import ExactPercentile
from evaluators.queueing.steady_state import steady_state
from system import InfeasibleError, InputError, Servers, System
from system.service.steps import Steps
from tests.support.oracles.instances import served_model
from workloads.arrivals import Hyperexponential, Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.synthetic import SyntheticWorkload

POISSON = SyntheticWorkload(Poisson(), 2000, 200.0, 20.0, 1.0)
BURSTY = SyntheticWorkload(Hyperexponential(3.0), 2000, 200.0, 20.0, 1.0)


@pytest.fixture(scope="module")
def system() -> System:
    """Return 14 mixed servers at a load of .7 of the largest ν."""
    rng = np.random.default_rng(5)
    servers = Servers(
        rng.choice([2.0, 4.0, 7.0], 14),
        rng.uniform(0.05, 0.6, (14, 3)) * (1, 0, 0.01),
        rng.uniform(0.05, 0.3, (14, 3)) * (1, 1e-3, 0.01),
    )
    made = System(served_model(9, 1.0, 0.12), servers, 1.0, (1.0, 200.0, 19.0))
    return replace(made, arrival_rate_per_s=-0.7 * least_of(LargestTotalRate(), made))


def test_a_percentile_is_at_most_that_of_the_best_c(system):
    best = search(system, SearchedPercentile(0.9), evaluations=20_000)
    assert best.value == ExactPercentile(0.9)(best.composition)
    assert best.value < 0.99 * least_of(ExactPercentile(0.9), system)
    assert best.value <= ExactPercentile(0.9)(search(system, ExactMean(), evaluations=20_000).composition) * 1.02


def test_the_largest_total_rate_is_at_least_that_of_the_best_c(system):
    best = search(system, LargestTotalRate(), evaluations=20_000)
    assert best.value == -best.composition.total_rate_per_s
    assert best.value < 1.01 * least_of(LargestTotalRate(), system)


def test_at_the_largest_rate_under_an_slo_exactly_the_allowed_share_is_late(system):
    objective = LargestRateUnderSlo(0.9, 3 * least_of(ExactMean(), system))
    best = search(system, objective, evaluations=20_000)
    assert best.value < least_of(objective, system)
    late = steady_state(best.composition.at_rate(-best.value)).share_above("response", objective.slo_s)
    assert late == pytest.approx(0.1, abs=1e-6)


def test_an_slo_that_no_rate_meets_is_refused(system):
    with pytest.raises(InfeasibleError, match="raise slo_s"):
        search(system, LargestRateUnderSlo(0.9, 1e-3), evaluations=10)


def test_the_papers_model_is_judged_exactly_and_others_by_simulation():
    exact, bursty, slowing = SearchedMean(POISSON), SearchedMean(BURSTY), SearchedMean(POISSON, Steps())
    assert [simulates(objective) for objective in (exact, bursty, slowing)] == [False, True, True]
    fixed = SearchedMean(replace(POISSON, size_cv=0.0))
    assert simulates(fixed)


def test_bursty_workloads_get_a_composition_that_their_own_simulation_prefers(system):
    """Check that no c of the paper's scheme has a lower simulated mean."""
    objective = SearchedMean(BURSTY, job_count=2000)
    rates = [stage.arrival_rate_per_s / system.arrival_rate_per_s for stage in objective.stages(system)]
    assert rates == pytest.approx([1, 1.1, 1.25, 1.5])
    simulated = SimulatedResponse(BURSTY, objective.service, objective.dispatch, 2000)
    best = search(system, objective, evaluations=8000)
    assert best.value == simulated(best.composition)
    assert best.value <= least_of(simulated, system)


def test_requests_that_slow_each_other_are_judged_by_their_own_simulation(system):
    workload = DrawnLengths(Poisson(), 300, 200, 20)
    slow = replace(system, arrival_rate_per_s=0.2 * system.arrival_rate_per_s)
    objective = SearchedMean(workload, Steps(), job_count=300)
    best = search(slow, objective, evaluations=4000)
    assert best.value == SimulatedResponse(workload, Steps(), objective.dispatch, 300)(best.composition)


def test_a_service_faster_than_equation_2_is_refused():
    with pytest.raises(InputError, match=r"^service.slowdown = 0.5: "):
        SearchedMean(POISSON, Steps(slowdown=0.5))


def test_the_best_c_is_that_of_all(system):
    values = [-gca(system, GbpCr()(system, c)).total_rate_per_s for c in range(1, 15)]
    assert least_of(LargestTotalRate(), system) <= min(values)
