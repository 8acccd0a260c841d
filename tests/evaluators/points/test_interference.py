"""Theory of requests that slow each other as an evaluator: what it reports, and where it warns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate

from evaluators.points.case import Draw
from evaluators.points.interference import shares_of_time
from evaluators.queueing.interference import interference
from evaluators.simulation.layout import simulate_layout
from store.tables.notes import notes_on
from sweep.instantiate import evaluate
from system import NotApplicableError
from system.service.steps import Steps
from tests.support.project import case_of

WHOLE_TOKENS = ("workload=drawn_lengths", "workload.input_tokens=2000", "workload.output_tokens=20")
STEPS = ("network=european", "evaluator=interference", "service=steps")


def draw_of(*overrides, workload=WHOLE_TOKENS):
    return Draw(instantiate(case_of(*STEPS, *workload, *overrides), _convert_="all"), 0)


def measured(draw):
    rows = draw.case.evaluator(draw, 0)
    return {row.metric: row.value for row in rows if np.isnan(row.at)}


def test_rows_are_those_of_the_theory():
    draw = draw_of("demand.per_s=0.3")
    rows, times = measured(draw), interference(draw.layout, draw.case.fitted_workload, Steps())
    assert (
        rows["response_mean_s"]
        == times.mean_response_s
        == pytest.approx(rows["waiting_mean_s"] + rows["service_mean_s"])
    )
    assert rows["first_token_mean_s"] == times.mean_first_token_s < rows["response_mean_s"]
    assert rows["waiting_probability"] == times.waiting_probability
    assert rows["load_of_saturation"] == 0.3 / rows["saturation_rate_per_s"]
    assert rows["saturation_rate_per_s"] < rows["total_rate_per_s"] == draw.layout.total_rate_per_s
    shares = [row.value for row in draw.case.evaluator(draw, 0) if row.metric == "chain_share"]
    assert shares == times.chain_shares.tolist()


def test_shares_of_time_are_those_of_simulated_jobs_that_are_alone():
    draw = draw_of("demand.per_s=1e-6", "workload.job_count=200")
    jobs = draw.jobs(0)
    run, prompts_alone = (
        simulate_layout(draw.layout, part, Steps()).times
        for part in (jobs, replace(jobs, lengths=jobs.lengths * np.array([1, 0])))
    )
    mean_job = (1.0, *jobs.lengths.mean(axis=0).tolist())
    chains = replace(draw.layout, system=replace(draw.system, mean_job=mean_job))
    shares = np.bincount(run.chain, minlength=run.chain_count) / len(jobs)
    computed_s = run.parts["compute"].mean()
    prompts = prompts_alone.parts["compute"].mean() / computed_s
    expected = computed_s / run.service_s.mean(), prompts
    assert shares_of_time(chains, shares) == pytest.approx(expected, rel=1e-6)  # in 1e8 s
    assert prompts < 0.99


def test_other_arrivals_than_poisson_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("arrival_s,input_tokens,output_tokens\n0,120,20\n1,80,35\n")
    for words in (["workload=mmpp"], ["workload=trace", f"workload.file={tmp_path / 'a.csv'}"]):
        draw = draw_of("demand.per_s=0.1", workload=words)
        with pytest.raises(NotApplicableError, match="evaluator = interference: holds for Poisson arrivals only"):
            draw.case.evaluator(draw, 0)


@pytest.mark.parametrize("evaluator", ["simulation", "simulation_stream"])
def test_runs_of_step_queues_are_as_long_as_the_rate_is_far_from_the_largest_one(evaluator):
    largest_per_s = measured(draw_of("demand.per_s=0.1"))["saturation_rate_per_s"]
    draw = draw_of(f"evaluator={evaluator}", f"demand.per_s={0.8 * largest_per_s}", "workload.job_count=1000")
    relaxation = 0.8 / (1 - 0.8**0.5) ** 2
    assert relaxation > draw.system.arrival_rate_per_s * draw.layout.mean_service_s.max()
    assert measured(draw)["run_relaxations"] == pytest.approx(900 / relaxation)


def test_runs_have_no_length_where_no_theory_knows_the_largest_rate():
    draw = draw_of("evaluator=simulation", "service=steps_decode", "demand.per_s=0.1", "workload.job_count=200")
    assert "response_drift" in measured(draw)
    assert "run_relaxations" not in measured(draw)


@pytest.mark.parametrize("service", ["independent", "steps_decode", "token_budget"])
def test_other_service_models_are_refused(service):
    draw = draw_of(f"service={service}")
    with pytest.raises(NotApplicableError, match=r"service = \w+: the theory of interference is for service="):
        draw.case.evaluator(draw, 0)


def test_in_lockstep_it_has_quantiles_too_and_is_close_to_the_simulation():
    few_tokens = ("workload.input_tokens=300", "workload.output_tokens=20")
    words = ("service=lockstep", "allocation=reserved_only", "demand.per_s=0.4", "workload.job_count=4000", *few_tokens)
    draw, simulated = draw_of(*words), draw_of(*words, "evaluator=simulation")
    rows, times = measured(draw), measured(simulated)
    assert draw.layout.total_capacity > len(draw.layout) > 1
    assert rows["load_of_saturation"] == 0.4 / rows["saturation_rate_per_s"]
    for metric in ("response_mean_s", "service_mean_s", "first_token_mean_s"):
        assert rows[metric] == pytest.approx(times[metric], rel=0.2)
    theory_s, simulated_s = (
        {row.at: row.value for row in case.case.evaluator(case, 0) if row.metric == "response_quantile_s"}
        for case in (draw, simulated)
    )
    assert list(theory_s) == list(simulated_s) == [0.5, 0.95, 0.99]
    assert theory_s[0.95] == pytest.approx(simulated_s[0.95], rel=0.25)


def test_points_close_to_saturation_get_a_note():
    largest_per_s = measured(draw_of("demand.per_s=0.1"))["saturation_rate_per_s"]
    tables = []
    for share in (0.5, 0.88, 0.95):
        case = case_of(*STEPS, *WHOLE_TOKENS, f"demand.per_s={share * largest_per_s}")
        rows = pd.DataFrame(evaluate(case, range(1), range(1)).rows)
        tables.append(rows.assign(**{"point": str(share), "demand.load": share, "evaluator": "interference"}))
    rows, axes = pd.concat(tables), ["demand.load", "evaluator"]
    (note,) = notes_on(rows, axes)
    assert note.startswith("    note: 1 of 3 points of evaluator=interference lie above 0.9 of the largest stable rate")
    assert note.endswith("demand.load=0.95 (up to 0.95)")
    assert notes_on(rows[rows["point"] != "0.95"], axes) == []
