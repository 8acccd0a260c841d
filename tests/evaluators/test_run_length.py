"""Warm-up, drift and length of simulated runs, and the note on means that runs too short have biased."""

import math
import re
from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluators.simulation import simulate
from evaluators.simulation.run_length import (
    BATCH,
    MSER,
    WINDOWS,
    drift,
    drift_of_parts,
    mser_warm_up,
    relaxation_jobs,
)
from store.tables.run_length import LEVEL, rejected, run_length_note, t_tests
from sweep.instantiate import evaluate
from system import InputError
from tests.support.oracles.instances import poisson_jobs
from tests.support.project import case_of


def plain_mser(values):
    """Return what MSER-5 leaves out, straight from its definition."""
    means = [np.mean(values[i : i + BATCH]) for i in range(0, len(values) - BATCH + 1, BATCH)]
    errors = [np.sum((means[d:] - np.mean(means[d:])) ** 2) / len(means[d:]) ** 2 for d in range(len(means) // 2 + 1)]
    return BATCH * errors.index(min(errors))


def test_a_trace_has_no_length_in_relaxation_times(tmp_path):
    (tmp_path / "a.csv").write_text("arrival_s,input_tokens,output_tokens\n0,120,20\n1,80,35\n4,310,12\n9,45,50\n")
    words = ["network=european", "workload=trace", f"workload.file={tmp_path / 'a.csv'}", "demand=native"]
    names = {name for _, _, name, *_ in evaluate(case_of(*words), range(1), range(1)).rows}
    assert "response_mean_s" in names
    assert not names & {"run_relaxations", "response_drift"}


def test_mser_is_its_definition():
    rng = np.random.default_rng(3)
    chosen = []
    for size in (5, 9, 14, 100, 503):
        for level in (0.0, 3.0):
            values = rng.exponential(size=size) + level * np.exp(-np.arange(size) / 20)
            chosen.append(mser_warm_up(values))
            assert chosen[-1] == plain_mser(values)
    assert len(set(chosen)) > 3


def test_mser_needs_a_batch():
    with pytest.raises(InputError, match=re.escape(f"jobs = 4: give at least {BATCH} for warm_up={MSER}")):
        mser_warm_up(np.ones(4))


def test_mser_leaves_out_a_crowded_start():
    """Start M/M/1 with 300 jobs at once."""
    rng, ratios = np.random.default_rng(4), []
    for _ in range(40):
        jobs = poisson_jobs(rng, 5000, 0.7)
        jobs.arrival_s[:300] = 0.0
        response_s = simulate(jobs, [1.0], [1]).response_s
        ratios.append([part.mean() * (1 - 0.7) for part in (response_s, response_s[mser_warm_up(response_s) :])])
    everything, rest = np.mean(ratios, axis=0)
    assert everything > 3
    assert abs(rest - 1) < 0.08


def test_mser_on_a_queue_that_starts_empty_is_a_few_percent_low():
    """Check the bias that docs/statistics.md warns of."""
    rng = np.random.default_rng(5)
    runs = [simulate(poisson_jobs(rng, 5000, 0.8), [1.0], [1]).response_s for _ in range(150)]
    ratio = np.mean([run[mser_warm_up(run) :].mean() for run in runs]) * (1 - 0.8)
    assert 0.9 < ratio < 0.99


def test_evaluators_report_the_warm_up_that_mser_chose():
    choices = [values_of(rows_of(case_at(0.9, 600, warm_up="mser"), 1, seed), "warm_up_jobs")[0] for seed in range(9)]
    assert 0 <= min(choices) < max(choices) <= 300
    seed, chosen = choices.index(max(choices)), max(choices)
    means = [
        values_of(rows_of(case_at(0.9, 600, warm_up=warm_up), 1, seed), "response_mean_s")[0]
        for warm_up in ("mser", (chosen + 0.5) / 600, 0)
    ]
    assert means[0] == means[1] != means[2]


def test_chunks_refuse_mser():
    with pytest.raises(Exception, match="warm_up = mser: needs the times of all jobs at once; give a share"):
        rows_of(case_at(0.5, 100, "simulation_stream", warm_up="mser"), 1)


def test_drift_is_that_of_the_last_tenth_over_the_first():
    values = np.concatenate([np.full(10, 2.0), np.full(85, 5.0), np.full(10, 6.0)])
    assert drift(values) == pytest.approx(math.log(3))
    parts = np.add.reduceat(values, np.arange(0, 105, 5)), np.full(21, 5.0)
    assert drift_of_parts(*parts) == pytest.approx(math.log((10 * 6 + 5 * 5) / (10 * 2 + 5 * 5)))  # 3 parts
    assert np.isnan(drift(np.ones(WINDOWS - 1)))
    assert np.isnan(drift_of_parts(np.ones(WINDOWS - 1), np.ones(WINDOWS - 1)))


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
def test_relaxation_is_the_slowest_mode_of_the_queue(load):
    """Compare with the spectral gap of M/M/1 with 400 places."""
    up, down = np.full(399, load), np.ones(399)
    beside = np.diag(np.sqrt(up * down), 1)
    modes = np.linalg.eigvalsh(np.diag(-np.append(up, 0) - np.append(0, down)) + beside + beside.T)
    assert relaxation_jobs(layout(load), load) == pytest.approx(load / -modes[-2], rel=0.05)


def test_relaxation_covers_the_slowest_chain_and_unknown_loads():
    assert relaxation_jobs(layout(0.5, slowest_s=1000.0), 0.5) == 500
    assert np.isnan(relaxation_jobs(layout(1.0), 1.0))
    assert np.isnan(relaxation_jobs(layout(1.0), np.nan))


def layout(arrival_rate_per_s, slowest_s=1.0):
    """Return the part of a layout that `relaxation_jobs` reads."""
    chains = SimpleNamespace(mean_service_s=np.array([0.5, slowest_s]))
    system = SimpleNamespace(arrival_rate_per_s=arrival_rate_per_s)
    return SimpleNamespace(system=system, composition=lambda: chains)


@cache
def base_case(evaluator):
    return case_of("data=embedded", "demand=load", f"evaluator={evaluator}")


def case_at(load, job_count, evaluator="simulation", **settings):
    """Return the case of an evaluator, with its settings, at a load."""
    case = base_case(evaluator)
    changes = {"demand": {"load": load}, "workload": {"job_count": job_count}, "evaluator": settings}
    return case | {part: case[part] | values for part, values in changes.items()}


def rows_of(case, draws, seed=2026):
    return pd.DataFrame(evaluate(case | {"seed": seed}, range(draws), range(1)).rows)


def values_of(rows, metric):
    return rows.loc[rows["metric"] == metric, "value"].tolist()


def table_of(loads, job_count, draws, evaluators=("simulation", "exact")):
    """Return simulated and exact rows at each load."""
    tables = []
    for load, evaluator in product(loads, evaluators):
        rows = rows_of(case_at(load, job_count, evaluator), draws)
        tables.append(rows.assign(**{"point": f"{evaluator} {load}", "demand.load": load, "evaluator": evaluator}))
    return pd.concat(tables)


def test_the_note_names_the_means_of_runs_that_are_too_short():
    (note,) = run_length_note(table_of((0.5, 0.98), 1000, 20), ["demand.load", "evaluator"])
    assert note.startswith("    note: runs are too short for 1 of 2 simulated means, use more jobs: demand.load=0.98 (")
    assert "0.093 relaxation times long" in note
    assert re.search(r", \d\d\.\d% ± \d\.\d% below exact\)$", note)


def test_there_is_no_note_where_runs_are_long_or_nothing_is_simulated():
    rows = table_of((0.5, 0.7), 2000, 10)
    assert run_length_note(rows, ["demand.load", "evaluator"]) == []
    assert run_length_note(rows[rows["evaluator"] == "exact"], ["demand.load", "evaluator"]) == []
    assert run_length_note(rows.head(0), ["demand.load", "evaluator"]) == []


def test_each_ground_alone_gives_a_note():
    for grounds, words in (
        ({"run_relaxations": (9.0, 9.0, 9.0)}, "9 relaxation times long"),
        ({"response_drift": (0.1, 0.11, 0.09)}, "times rise by 11% within the run"),
        ({"run_relaxations": (99.0, 99.0, 99.0), "response_mean_s": (9.0, 9.1, 8.9)}, "10.0% ± 2.5% below exact"),
    ):
        assert words in run_length_note(made_up(grounds), ["evaluator"])[0]
    unbiased = {"run_relaxations": (11.0, 11.0, 11.0), "response_drift": (0.1, -0.11, 0.09)}
    assert run_length_note(made_up(unbiased), ["evaluator"]) == []
    nothing_varies = {"response_drift": (0.1, 0.1, 0.1), "response_mean_s": (9.0, 9.0, 9.0)}
    assert run_length_note(made_up(nothing_varies), ["evaluator"]) == []


def made_up(grounds):
    """Return rows of a simulated and an exact point."""
    points = [("simulation", grounds), ("exact", {"response_mean_s": (10.0, 10.0, 10.0)})]
    return pd.DataFrame(
        [
            {"point": name, "evaluator": name, "draw": draw, "replication": 0, "metric": metric, "value": value}
            for name, metrics in points
            for metric, values in metrics.items()
            for draw, value in enumerate(values)
        ]
    )


def test_p_values_are_those_of_scipy():
    values = pd.Series(
        np.random.default_rng(6).normal(0.3, 1, 12), index=pd.MultiIndex.from_product([["a"], range(12)])
    )
    values.index.names = ["point", "draw"]
    expected = stats.ttest_1samp(values, 0, alternative="greater")
    table = t_tests(values)
    assert table.loc["a", "p"] == pytest.approx(expected.pvalue)
    assert table.loc["a", "half_width"] == pytest.approx(np.ptp(stats.t.interval(0.95, 11, 0, stats.sem(values))) / 2)


def test_holm_rejects_step_by_step():
    """Compare with a loop over the smallest p-value left."""
    rng = np.random.default_rng(7)
    for count in (0, 1, 5, 40):
        p_values = rng.uniform(size=count) ** 6
        rest, expected = sorted(p_values), 0
        while rest and rest[0] <= LEVEL / len(rest):
            rest, expected = rest[1:], expected + 1
        assert sorted(rejected(pd.DataFrame({"p": p_values}))["p"]) == sorted(p_values)[:expected]


@pytest.mark.slow
def test_drift_rarely_accuses_a_long_run_and_finds_a_short_one():
    """Measure a column of the table in docs/statistics.md."""
    shares = {}
    for load, job_count, experiments in ((0.5, 1000, 400), (0.9, 5000, 100), (0.98, 1000, 100)):
        rows = table_of((load,), job_count, 20 * experiments, evaluators=("simulation",))
        drifts = rows[rows["metric"] == "response_drift"].assign(point=lambda table: (table["draw"] // 20).astype(str))
        p_values = t_tests(drifts.set_index(["point", "draw"])["value"])["p"]
        shares[load, job_count] = float((p_values <= LEVEL).mean())
    assert shares[0.5, 1000] <= 0.03
    assert shares[0.9, 5000] <= 0.05
    assert shares[0.98, 1000] >= 0.6
