"""The config group `published`: whole set-ups of published figures, down to single runs if there is recorded data."""

import numpy as np
import pytest

from evaluators.points.case import Draw
from sweep.instantiate import instantiated
from tests.support.oracles import published_simulator as published
from tests.support.project import case_of, choices
from tests.support.published_runs import anchors_file, recorded_runs

CELLS = ((10, 0.1), (20, 0.3), (40, 0.4))
UNIT_TESTS = {"cache": 2 * 14336 * 2068 * 2 / 1e9, "seed": 42, "first_at_zero": False}
SETUPS = {
    "fig2": UNIT_TESTS | {"c": 7, "target_load": 0.7},
    "fig3": UNIT_TESTS | {"c": 2, "target_load": 0.7, "reference": 2},
    "fig6": UNIT_TESTS | {"c": 7, "target_load": 0.8, "reference": 1, "load": 0.8 * 0.8},
}


@pytest.mark.parametrize("name", [name for name in choices("published") if name != "none"])
def test_a_setup_has_the_published_constants_network_and_numbers(name):
    case = case_of(f"published={name}")
    assert case["cluster"]["fast_servers"] == "nearest"
    assert case["cluster"]["network"]["orchestrator"] == "central"
    assert case["cluster"]["network"]["numbering"] == "nearest_first"
    assert case["cluster"]["fast"]["prefill_tflops"] == 156
    assert (case["cluster"]["prefill_overhead_s"], case["cluster"]["token_overhead_s"]) == (0.05, 0)
    assert case["random_numbers"]["_target_"].endswith("PublishedNumbers")
    assert case["random_numbers"]["job_count"] == case["workload"]["job_count"]


@pytest.mark.parametrize("name", SETUPS)
def test_setups_of_unit_tests_have_their_chains_and_rates(name):
    case, expected = case_of(f"published={name}", "evaluator=exact"), SETUPS[name]
    assert case["model"]["cache_memory_gb"] == pytest.approx(expected["cache"], abs=5e-5)  # the code rounds to .1186
    assert case["seed"] == expected["seed"]
    assert case["target_load"] == expected["target_load"]
    assert case["algorithm"]["tuning"]["capacity"] == expected["c"]
    assert case["algorithm"]["placement"]["last_server"] == "truncated"
    assert case["algorithm"]["allocation"]["allocate"]["path"].endswith("gca_published_code")
    if "reference" in expected:
        reference = case["demand"]["reference"]
        assert reference["tuning"]["capacity"] == expected["reference"]
        assert reference["placement"] == case["algorithm"]["placement"]
        assert reference["allocation"] == case["algorithm"]["allocation"]
    if "load" in expected:
        assert case["demand"]["load"] == pytest.approx(expected["load"])


def test_fig8_runs_300_jobs_into_an_empty_system_and_counts_all():
    case = case_of("published=fig8")
    assert case["model"]["cache_memory_gb"] == pytest.approx(published.CACHE_GB, rel=1e-15)
    assert (case["workload"]["job_count"], case["workload"]["first_at_zero"]) == (published.JOB_COUNT, True)
    assert case["demand"]["per_s"] == published.RATE_PER_S
    assert (case["evaluator"]["warm_up"], case["evaluator"]["unstable"]) == (0, "report")
    assert case["evaluator"]["service"]["request_delay_s"] == published.REQUEST_DELAY_S
    assert case["algorithm"] == case_of("algorithm=proposed_published_code")["algorithm"]


def test_the_command_line_has_the_last_word():
    case = case_of("published=fig8", "workload.job_count=50", "constants=paper", "algorithm=bprr")
    assert case["random_numbers"]["job_count"] == case["workload"]["job_count"] == 50
    assert case["cluster"]["fast"]["prefill_tflops"] == 120
    assert case["algorithm"] == case_of("algorithm=bprr")["algorithm"]


def drawn(servers, fast_share, run, *overrides):
    cell = (f"cluster.server_count={servers}", f"cluster.fast_share={fast_share}")
    return Draw(instantiated(case_of("published=fig8", *cell, *overrides)), run - 1)


@pytest.mark.parametrize(("servers", "fast_share"), CELLS)
def test_a_draw_has_the_servers_and_jobs_of_a_run(servers, fast_share):
    for run in (1, 7, 20):
        expected = published.draw_run(anchors_file(), servers, fast_share, run)
        draw = drawn(servers, fast_share, run)
        ours, theirs, jobs = draw.system.servers, expected.system.servers, draw.jobs(0)
        assert [name.split()[1] for name in ours.names] == list(expected.anchors[1:])
        for one, other in (
            (ours.orchestrator_rtt_s, expected.rtt_s[0, 1:]),
            (ours.rtt_s, expected.rtt_s[1:, 1:]),
            (ours.memory_gb, theirs.memory_gb),
            (draw.system.communication_s, expected.system.communication_s),
            (draw.system.block_s, expected.system.block_s),
            (jobs.arrival_s, expected.arrival_s),
            (jobs.size, expected.size),
        ):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=0)


@pytest.mark.parametrize("scheme", ["proposed", "petals", "bprr"])
def test_single_runs_are_those_of_the_authors_simulator(scheme):
    for recorded in recorded_runs():
        overrides = (f"algorithm={scheme}_published_code", "evaluator.quantiles=[]")
        draw = drawn(recorded.servers, recorded.fast_share, recorded.run, *overrides)
        evaluation = draw.case.evaluate(range(draw.number, draw.number + 1), range(1))
        means = [row.value for row in evaluation.rows if row.metric == "response_mean_s"]
        expected = getattr(recorded, f"{scheme}_s")
        assert means == ([pytest.approx(expected, rel=1e-6)] if np.isfinite(expected) else [])
        assert len(evaluation.refusals) == 1 - len(means)


def test_at_the_published_rate_the_lower_bound_and_the_exact_mean_choose_7():
    anchors_file()
    chosen = {}
    for tuning in ("theorem4_lower", "exact_mean", "theorem4_upper", "surrogate"):
        overrides = (f"tuning={tuning}", "tuning.largest=25", "evaluator=composition")
        case = instantiated(case_of("published=fig6", *overrides))
        rows = case.evaluate(range(3), range(1)).rows
        chosen[tuning] = {row.value for row in rows if row.metric == "reserved_capacity"}
    assert chosen == {"theorem4_lower": {7}, "exact_mean": {7}, "theorem4_upper": {17}, "surrogate": {1}}
