"""Objectives to choose c where requests slow each other: common jobs, theory, and what they refuse."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.dispatch.jffc import JFFC
from evaluators.points.case import Draw
from evaluators.points.objectives.interference import InterferenceMean, LargestRate, ScreeningMean, SimulatedSteps
from evaluators.queueing.interference import interference, largest_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import NotApplicableError, RandomStreams, UnstableError
from system.service.independent import INDEPENDENT
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths

SERVICES = [Steps(), Steps(batching="decode"), TokenBudget(), Lockstep(), Steps(slowdown_cv=0.5)]
WORKLOAD = DrawnLengths(Poisson(), 600, 2000, 20)
WHOLE_TOKENS = ("workload=drawn_lengths", "workload.input_tokens=2000", "workload.output_tokens=20")


def draw_of(*overrides, number=0):
    words = ("network=european", "workload.job_count=600", *WHOLE_TOKENS, *overrides)
    return Draw(instantiate(case_of(*words), _convert_="all"), number)


def layouts(*overrides):
    return [draw_of(f"tuning.capacity={c}", *overrides).layout for c in (1, 3, 7)]


def test_every_c_and_every_cluster_get_the_same_jobs_which_are_not_those_that_judge():
    objective = SimulatedSteps(WORKLOAD, Steps(), JFFC, job_count=800)
    first, *others = (objective.jobs(layout) for layout in [*layouts(), draw_of(number=1).layout])
    for jobs in others:
        np.testing.assert_array_equal(first.arrival_s, jobs.arrival_s)
        np.testing.assert_array_equal(first.lengths, jobs.lengths)
    assert len(first) == 800
    assert not np.array_equal(first.lengths[:600], draw_of().jobs(0).lengths)


def test_a_trace_gives_no_more_jobs_than_it_has_at_the_rate_of_the_layout():
    def draw_at(rate_per_s):
        words = ("network=european", "workload=synthetic_code_first_1000", f"demand.per_s={rate_per_s}")
        return Draw(instantiate(case_of(*words), _convert_="all"), 0)

    slow, fast = draw_at(0.1), draw_at(0.2)
    few, many = (SimulatedSteps(slow.case.workload, Steps(), JFFC, count) for count in (100, 10_000))
    assert (len(few.jobs(slow.layout)), len(many.jobs(slow.layout))) == (100, 1000)
    np.testing.assert_allclose(many.jobs(slow.layout).arrival_s, 2 * many.jobs(fast.layout).arrival_s)
    assert 0 < few(slow.layout) < np.inf


@pytest.mark.parametrize("service", SERVICES)
def test_the_mean_is_that_of_a_simulation_at_the_rate_of_the_layout(service):
    for layout in layouts("demand.per_s=0.15"):
        streams = RandomStreams(5)
        jobs = replace(WORKLOAD, job_count=800).fitted(2048).jobs(0.15, streams)
        run = simulate_layout(layout.composition().under(JFFC), jobs, service, streams.jobs("slowdowns"))
        means_s = [SimulatedSteps(WORKLOAD, service, JFFC, 800, 5)(layout) for _ in range(2)]
        assert means_s == [run.times.response_s[80:].mean()] * 2


def test_interference_is_the_theory_for_the_workload_cut_to_the_slot():
    for layout in layouts():
        expected = interference(layout, WORKLOAD.fitted(2048), Steps(slowdown=1.1))
        assert InterferenceMean(WORKLOAD, Steps(slowdown=1.1))(layout) == expected.mean_response_s
        assert expected.mean_response_s != interference(layout, WORKLOAD, Steps(slowdown=1.1)).mean_response_s


def test_screening_is_the_theory_of_serial_steps_with_the_slowdown_of_the_service():
    for layout in layouts():
        for service in [Steps(slowdown=1.1, batching="decode", handling_s=0.1), Lockstep(slowdown=1.1)]:
            assert ScreeningMean(WORKLOAD, service)(layout) == InterferenceMean(WORKLOAD, Steps(slowdown=1.1))(layout)
            largest_per_s = largest_rate_per_s(layout, WORKLOAD.fitted(2048), Steps(slowdown=1.1))
            assert LargestRate(WORKLOAD, service)(layout) == largest_per_s
        assert LargestRate(WORKLOAD, INDEPENDENT)(layout) == LargestRate(WORKLOAD, Steps())(layout)


@pytest.mark.parametrize(
    "objective", [SimulatedSteps(WORKLOAD, INDEPENDENT, JFFC), InterferenceMean(WORKLOAD, INDEPENDENT)]
)
def test_equation_2_is_refused_in_one_sentence(objective):
    with pytest.raises(NotApplicableError, match=r"no request slows another; use tuning=exact_mean, or service=steps$"):
        objective(layouts()[0])


def test_theory_refuses_other_services_as_a_choice():
    with pytest.raises(NotApplicableError, match="the theory of interference is for service=lockstep, and for"):
        InterferenceMean(WORKLOAD, TokenBudget())(layouts()[0])


def test_theory_of_lockstep_is_an_objective_for_chains_with_servers_of_their_own():
    layout = draw_of("tuning.capacity=3", "allocation=reserved_only").layout
    expected_s = interference(layout, WORKLOAD.fitted(2048), Lockstep()).mean_response_s
    assert InterferenceMean(WORKLOAD, Lockstep())(layout) == expected_s
    with pytest.raises(NotApplicableError, match="chains that share a server"):
        InterferenceMean(WORKLOAD, Lockstep())(layouts()[2])


def test_unstable_layouts_are_refused():
    for objective in (SimulatedSteps(WORKLOAD, Steps(), JFFC), InterferenceMean(WORKLOAD, Steps())):
        with pytest.raises(UnstableError):
            objective(layouts("demand.per_s=2")[0])


def test_the_rate_of_a_shared_load_is_that_share_of_the_largest_rate_at_c_7():
    largest_per_s = LargestRate(WORKLOAD, Steps())(draw_of("tuning.capacity=7").layout)
    for service in ("independent", "steps", "lockstep"):
        draw = draw_of("demand=shared_load", "demand.load=0.4", f"service={service}", "tuning.capacity=2")
        assert draw.system.arrival_rate_per_s == pytest.approx(0.4 * largest_per_s, rel=1e-12)


def test_a_load_of_the_reference_is_that_share_of_the_largest_rate_over_c():
    rates_per_s = [
        draw_of(f"tuning.capacity={c}", "placement.stop_rule=max_chains").layout.total_rate_per_s for c in range(1, 41)
    ]
    assert 1 < 1 + np.argmax(rates_per_s) < 40  # an inner maximum
    for capacity in (2, 7):
        draw = draw_of("demand=reference", "demand.load=0.4", f"tuning.capacity={capacity}")
        assert draw.system.arrival_rate_per_s == pytest.approx(0.4 * max(rates_per_s), rel=1e-12)


@pytest.mark.parametrize("service", ["steps", "lockstep"])
def test_simulated_steps_chooses_as_simulation_of_every_c_would_if_all_are_finalists(service):
    words = ("demand.per_s=0.3", f"service={service}", "tuning=simulated_steps", "tuning.largest=8")
    draw = draw_of(*words, "tuning.finalists=8", "tuning.objective.job_count=1000")
    objective, means_s = draw.case.algorithm.tuning.objective, {}
    for c in range(1, 9):
        with contextlib.suppress(UnstableError):
            means_s[c] = objective(draw_of("demand.per_s=0.3", f"tuning.capacity={c}").layout)
    assert len(set(means_s.values())) > 1
    assert draw.layout.placement.reserved_capacity == min(means_s, key=means_s.get)
