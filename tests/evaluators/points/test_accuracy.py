"""Theory beside a simulation: both are of the same layout, jobs and rates."""

import pytest
from hydra.utils import instantiate

from evaluators.points.accuracy import COMPARED, AccuracyEvaluator
from evaluators.points.case import Draw
from evaluators.queueing.interference import StepQueues, interference, largest_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import InputError, NotApplicableError
from system.service.steps import Steps
from tests.support.project import case_of

SMALL = ("network=european", "evaluator=accuracy", "workload=drawn_lengths", "cluster=varied")
LENGTHS = ("workload.input_tokens=2000", "workload.output_tokens=20", "workload.job_count=1500")


def draw_of(*overrides):
    return Draw(instantiate(case_of(*SMALL, *LENGTHS, *overrides), _convert_="all"), 0)


def test_both_times_are_of_the_same_rate_and_jobs():
    draw = draw_of("service=steps", "evaluator.loads=[0.3,0.6]")
    rows = {(row.metric, row.at): row.value for row in draw.case.evaluator(draw, 0)}
    workload = draw.case.fitted_workload
    largest_per_s = largest_rate_per_s(draw.layout, workload, Steps())
    for load in (0.3, 0.6):
        layout = draw.layout.at_rate(load * largest_per_s)
        theory, jobs = interference(layout, workload, Steps()), workload.jobs(load * largest_per_s, draw.streams(0))
        times = simulate_layout(layout, jobs, Steps()).times.after_warm_up()
        for time in COMPARED:
            assert rows[f"{time}_theory_s", load] == getattr(theory, f"mean_{time}_s")
            assert rows[f"{time}_simulated_s", load] == times.mean_s(time)


def test_measured_and_theoretical_largest_rates_are_close():
    draw = draw_of("service=steps", "evaluator.loads=[0.3]", "workload.job_count=4000", "tuning.capacity=3")
    rows = {row.metric: row.value for row in draw.case.evaluator(draw, 0)}
    assert rows["saturation_theory_per_s"] == pytest.approx(rows["saturation_rate_per_s"], rel=0.15)


def test_theory_in_lockstep_is_compared_with_a_simulation_in_lockstep():
    few_tokens = ("workload.input_tokens=200", "workload.job_count=3000", "evaluator.loads=[0.5]")
    draw = draw_of("service=lockstep", "allocation=reserved_only", *few_tokens)
    rows = {row.metric: row.value for row in draw.case.evaluator(draw, 0)}
    assert rows["saturation_theory_per_s"] == pytest.approx(rows["saturation_rate_per_s"], rel=0.1)
    for time in COMPARED:
        assert rows[f"{time}_theory_s"] == pytest.approx(rows[f"{time}_simulated_s"], rel=0.2)


def test_a_load_at_which_the_simulation_is_unstable_has_no_simulated_times(monkeypatch):
    draw = draw_of("service=steps", "evaluator.loads=[0.9]", "workload.job_count=6000")
    true_per_s = largest_rate_per_s(draw.layout, draw.case.fitted_workload, Steps())
    theory = interference(draw.layout.at_rate(0.9 * true_per_s), draw.case.fitted_workload, Steps())
    monkeypatch.setattr(StepQueues, "largest_rate_per_s", 2 * true_per_s)
    monkeypatch.setattr(StepQueues, "at_rate", lambda *_: theory)
    metrics = {row.metric: row.value for row in draw.case.evaluator(draw, 0)}
    assert metrics["is_unstable"] == 1
    assert "response_simulated_s" not in metrics


def test_other_service_models_and_arrivals_are_refused():
    for draw, reason in (
        (draw_of("service=steps_decode"), "is for service=lockstep, and for service=steps"),
        (draw_of("service=lockstep"), "chains that share a server wait for each other"),
        (mmpp_draw(), "Poisson arrivals only"),
    ):
        with pytest.raises(NotApplicableError, match=reason):
            draw.case.evaluator(draw, 0)
    with pytest.raises(InputError, match=r"^loads = 1.5: must lie between 0 and 1"):
        AccuracyEvaluator(loads=[1.5], service=Steps())


def mmpp_draw():
    words = ("network=european", "evaluator=accuracy", "service=steps", "workload=mmpp")
    return Draw(instantiate(case_of(*words), _convert_="all"), 0)
