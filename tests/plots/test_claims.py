"""The ledger of claims: how verdicts are reached, on made-up rows, and the rules of the paper's claims."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from plots.claims import judging
from plots.claims.judging import Evidence, evaluate_test
from plots.claims.ledger import basis_of, explanation, ledger_table, page
from plots.claims.rules import claim_of, claim_rules, claims
from plots.claims.verdicts import NO_VERDICT, gather, judge
from store.tables.labels import Labels
from store.tables.reading import with_numbers
from store.tables.statistics import PoolingError
from system import InputError
from tests.support.project import CONF, choices, script

DRAWS = 8
PAPER = {"constants": "paper"}
RNG = np.random.default_rng(5)
NOISE = RNG.normal(0, 10, DRAWS)  # of the clusters, the same for all schemes
OWN = RNG.normal(0, 0.1, DRAWS)  # of one scheme


def evidence(values, metric="response_mean_s", status=None, axes=("scheme", "load")):
    """Return an experiment with a point for each key of `values`.

    The keys are the values of the axes. The numbers of a key are those of the point, one for each draw.
    """
    points, rows = [], []
    for number, (key, numbers) in enumerate(values.items()):
        named = dict(zip(axes, key, strict=True)) | PAPER
        points.append(
            {"point": str(number), **named, "status": (status or {}).get(key, "ok"), "reason": "", "duration_s": 0.0}
        )
        size = {"status": points[-1]["status"], "draws": max(map(len, values.values()))}
        for draw, value in enumerate(numbers):
            coordinates = value.items() if isinstance(value, dict) else [(np.nan, value)]
            rows += [
                {
                    "point": str(number),
                    **named,
                    **size,
                    "draw": draw,
                    "metric": metric,
                    "at": coordinate,
                    "value": single,
                }
                for coordinate, single in coordinates
            ]
    tables = (with_numbers(pd.DataFrame(table), [*axes, "constants"]) for table in (rows, points))
    measured, listed = tables
    return {"x": Evidence("x", measured.assign(replication=0), listed, draws=claim_rules().draws)}


def decide(results, of, to=None, **settings):
    """Return a test's finding under the paper's constants."""
    selections = {"of": {"experiment": "x", "metric": "response_mean_s", **of}}
    if to is not None:
        selections["to"] = {"experiment": "x", "metric": "response_mean_s", **to}
    entry = {"measures": "it", **selections, **settings}
    (test,) = claim_of({"id": "C0", "claim": "c", "source": "s", "published": "p", "tests": [entry]}).tests
    return evaluate_test(test, results, PAPER)


A, B = {"where": {"scheme": "a"}}, {"where": {"scheme": "b"}}


def test_differences_are_paired_on_the_draw():
    results = evidence({("a", "0.5"): 50 + NOISE, ("b", "0.5"): 49.5 + NOISE + OWN})
    paired = decide(results, A, B, compare="difference", band=[None, 0])
    (cell,) = paired.cells
    sample = 0.5 - OWN
    half_width = stats.t.ppf(0.975, DRAWS - 1) * sample.std(ddof=1) / np.sqrt(DRAWS)
    assert cell.value == pytest.approx(sample.mean())
    assert cell.half_width == pytest.approx(half_width)
    assert not paired.holds  # although the clusters differ by twenty times as much
    assert sample.mean() < stats.t.ppf(0.975, DRAWS - 1) * NOISE.std(ddof=1) / np.sqrt(DRAWS)


@pytest.mark.parametrize(
    ("compare", "expected"), [("ratio", 0.75), ("excess", -0.25), ("reduction", 0.25), ("difference", -1.0)]
)
def test_comparisons(compare, expected):
    results = evidence({("a", "0.5"): np.full(DRAWS, 3.0), ("b", "0.5"): np.full(DRAWS, 4.0)})
    (cell,) = decide(results, A, B, compare=compare, band=[0, None]).cells
    assert cell.value == pytest.approx(expected)


def test_mean_decides_a_cell_and_an_interval_across_the_edge_is_marked():
    sample = 10 + NOISE
    mean, half = sample.mean(), stats.t.ppf(0.975, DRAWS - 1) * sample.std(ddof=1) / np.sqrt(DRAWS)
    results = evidence({("a", "0.5"): sample})
    for low, holds, crosses in [(-1.1, True, False), (-0.9, True, True), (0.9, False, True), (1.1, False, False)]:
        outcome = decide(results, A, band=[mean + low * half, None])
        assert outcome.holds == holds
        assert outcome.worst.crosses == crosses
        assert (outcome.worst.margin < 0) == (low > 0)
    assert not decide(results, A, band=[None, mean - 0.1 * half]).holds


def test_no_step_across_a_missing_value():
    wide = pd.DataFrame(
        {0: [1.0, 2.0, 4.0, 1.0, 8.0], 1: [1.0, 3.0, 5.0, 1.0, 9.0]},
        index=pd.MultiIndex.from_tuples([("x", 10), ("x", 20), ("x", 30), ("y", 10), ("y", 30)], names=["share", "J"]),
    )
    assert judging._steps(wide, "J").index.tolist() == [("x", 20), ("x", 30)]


def test_worst_draw_decides_if_every_draw_counts():
    results = evidence({("a", "0.5"): np.array([3.0, 3.0, 5.0, 3.0])})
    exact = decide(results, A, draws="every", band=[3, 3])
    assert not exact.holds
    assert exact.worst.value == 5.0
    assert np.isnan(exact.worst.half_width)
    assert decide(results, A, draws="every", band=[3, 5]).holds


def test_cells_that_lack_a_draw_are_listed_and_decide_nothing():
    values = {("a", "0.3"): np.ones(4), ("a", "0.9"): np.full(3, 9.0), ("a", "0.6"): np.full(4, 2.0)}
    outcome = decide(evidence(values, status={("a", "0.9"): "unstable"}), A, axes=["load"], band=[None, 5])
    assert [cell.label for cell in outcome.cells] == ["load = 0.3", "load = 0.6"]
    assert outcome.undecided == ["scheme = a, load = 0.9: unstable"]
    assert outcome.holds
    nothing = decide(evidence(values, status=dict.fromkeys(values, "unstable")), A, axes=["load"], band=[None, 5])
    assert not nothing.holds
    assert nothing.worst is None


def test_coordinates_that_some_draws_lack_have_no_mean():
    draws = [{0.1: 1.0, 0.9: 1.0}, {0.1: 1.0}, {0.1: 3.0, 0.9: 1.0}]
    outcome = decide(evidence({("a", "0.5"): draws}), A, axes=["at"], at_is="share", band=[None, 5])
    assert [(cell.label, cell.value) for cell in outcome.cells] == [("share = 0.1", pytest.approx(5 / 3))]
    assert outcome.undecided == ["share = 0.9: not in every draw"]


def test_steps_are_paired_and_sorted_as_numbers():
    values = {("a", load): level + NOISE for load, level in [("10", 5.0), ("9", 4.0), ("8", 4.5)]}
    outcome = decide(evidence(values), A, axes=["load"], steps="load", band=[0, None])
    assert {cell.label: round(cell.value, 9) for cell in outcome.cells} == {"load = 9": -0.5, "load = 10": 1.0}
    assert not outcome.holds
    assert outcome.worst.label == "load = 9"


def test_smallest_or_largest_cell_alone():
    values = {("a", load): np.full(3, level) for load, level in [("1", 0.3), ("2", 0.1), ("3", 0.8)]}
    for cells, label in [("smallest", "load = 2"), ("largest", "load = 3")]:
        outcome = decide(evidence(values), A, axes=["load"], cells=cells, band=[0, None])
        assert [cell.label for cell in outcome.cells] == [label]


def test_metric_reduced_over_coordinates_and_axis_value_at_its_least():
    trials = evidence({("a", "0.5"): [{0.0: 7.0, 1.0: 14.0}, {0.0: 21.0, 1.0: 14.0}]})
    least = decide(trials, A | {"over_at": "min"}, band=[0, None])
    assert least.worst.value == pytest.approx((7 + 14) / 2)
    assert decide(trials, A | {"over_at": "spread"}, band=[0, None]).worst.value == pytest.approx((1 + 0.5) / 2)
    curve = evidence({("a", c): [2 + abs(float(c) - 7), 2 + abs(float(c) - 10)] for c in ("2", "7", "10")})
    assert decide(curve, A | {"least_over": "load"}, band=[0, None]).worst.value == pytest.approx((7 + 10) / 2)


def test_comparison_with_published_numbers():
    values = {(scheme, "0.5"): np.full(3, time_s) for scheme, time_s in [("a", 3.0), ("b", 8.0), ("c", 1.0)]}
    published = {"scheme": {"a": 2.0, "b": 8.0}}
    outcome = decide(evidence(values), {}, published=published, compare="ratio", axes=["scheme"], band=[0.9, 1.1])
    assert {cell.label: cell.value for cell in outcome.cells} == {"scheme = a": 1.5, "scheme = b": 1.0}


def test_status_is_decided_by_the_points():
    results = evidence({("a", "1"): np.ones(3), ("b", "1"): []}, status={("b", "1"): "infeasible"})
    assert decide(results, {}, axes=["scheme"], status="infeasible").holds
    assert not decide(results, A, axes=["scheme"], status="infeasible").holds


def claim(band, conditions=("fast", "slow"), **settings):
    of = {"experiment": "x", "metric": "response_mean_s"}
    tests = [{"measures": "response", "of": of, "band": band, "unit": "s"}]
    named = {"conditions": {"scheme": list(conditions)}}
    return claim_of({"id": "C0", "claim": "c", "source": "s", "published": "p", "tests": tests} | named | settings)


def test_verdicts_follow_from_the_conditions_that_hold():
    results = evidence({("fast", "0.5"): np.full(3, 1.0), ("slow", "0.5"): np.full(3, 4.0)})
    assert judge(claim([None, 5]), results).verdict == "reproduced"
    assert judge(claim([None, 2]), results).verdict == "reproduced under: scheme = fast"
    assert judge(claim([None, 0]), results).verdict == "not reproduced"
    assert judge(claim([None, 5]), {}).verdict == "not run: x"
    assert judge(claim([None, 5], conditions=["other"]), results).verdict == "not run: x"
    assert judge(claim_of(UNTESTABLE), results).verdict == "not testable here"
    text = explanation(judge(claim([None, 2]), results))
    assert text == "Scheme = fast: 1 of 1 hold; response: 1 ± 0 s. Scheme = slow: 0 of 1 hold; response: 4 ± 0 s."


UNTESTABLE = {"id": "C0", "claim": "c", "source": "s", "published": "p", "untestable": "it takes the hardware"}


def test_embedded_variant_cannot_replace_recorded_data():
    results = {"x": evidence({("fast", "0.5"): np.ones(3)})["x"]._replace(name="x_embedded")}
    assert judge(claim([0, 2], conditions=["fast"]), results).verdict == "reproduced (embedded data)"
    assert judge(claim([0, 2], conditions=["fast"], measured=True), results).verdict == "not run: x on recorded data"


def test_verdict_says_if_it_rests_on_less_than_the_rule_asks_for():
    results = evidence({("fast", "0.5"): np.ones(3), ("slow", "0.5"): np.ones(3)})
    results = {"x": results["x"]._replace(draws=3, declared_count=9)}
    assert judge(claim([0, 2]), results).verdict == "reproduced (3 draws, 2 of 9 points of x)"
    text = judge(claim([0, 2], conditions=["fast", "other"]), results).verdict
    assert text == "reproduced under: scheme = fast (3 draws, 2 of 9 points of x)"


def test_rows_of_another_setting_give_no_verdict():
    axes = ("scheme", "network")
    results = evidence({("fast", "a"): np.ones(3), ("fast", "b"): np.full(3, 9.0)}, axes=axes)
    pooled = judge(claim([None, 5.5], conditions=["fast"]), results)
    assert pooled.verdict.startswith(f"{NO_VERDICT}: network = a, b: ")
    assert not pooled.findings
    none_declared = {"x": results["x"]._replace(rows=results["x"].rows.iloc[:0], points=results["x"].points.iloc[:0])}
    verdict = judge(claim([None, 5], conditions=["fast"]), none_declared).verdict
    assert verdict == f"{NO_VERDICT}: no point of x is as the experiment declares it"


def test_page_and_table_agree():
    results = evidence({("fast", "0.5"): np.full(3, 1.0), ("slow", "0.5"): np.full(3, 4.0)})
    judgements = [judge(claim([None, 2]), results), judge(claim_of(UNTESTABLE), results)]
    table, text = ledger_table(judgements), page(judgements, ["x: 3 draws"], Labels())
    assert table["verdict"].tolist() == ["reproduced under: scheme = fast", "not testable here"]
    assert all(row["verdict"] in text and row["explanation"] in text for _, row in table.iterrows())
    assert "- response: at most 2 s" in text


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"band": [0, 1], "compare": "ratio"},
            "compare = ratio: set `compare` if and only if `to` or `published` is set",
        ),
        ({}, "band = response: give a band or a status"),
    ],
)
def test_rules_that_decide_nothing_are_rejected(entry, message):
    test = {"measures": "response", "of": {"experiment": "x", "metric": "m"}, **entry}
    with pytest.raises(InputError, match=message):
        claim_of({"id": "C0", "claim": "c", "source": "s", "published": "p", "tests": [test]})


def test_every_claim_of_the_paper_is_listed_in_order():
    ids = [claim.id for claim in claims()]
    assert list(dict.fromkeys(int(name[1:].rstrip("abcd")) for name in ids)) == list(range(1, 14))
    assert len(set(ids)) == len(ids)
    assert [claim.id for claim in claims() if claim.untestable] == ["C10a", "C12a"]


def axes_of(experiment):
    """Return all values of every axis of an experiment."""
    grids = yaml.safe_load((CONF / "experiment" / f"{experiment}.yaml").read_text())["experiment"]["axes"]
    values_by_axis = {}
    for grid in grids if isinstance(grids, list) else [grids]:
        for axis, values in grid.items():
            values_by_axis.setdefault(axis, set()).update(map(str, values if isinstance(values, list) else []))
    return values_by_axis


@pytest.mark.parametrize("judged", claims(), ids=lambda claim: claim.id)
def test_rules_name_axes_and_values_that_the_experiments_have(judged):
    for test in judged.tests:
        for selection in test.selections:
            axes = axes_of(selection.experiment)
            wanted = {axis: v if isinstance(v, list) else [v] for axis, v in selection.where.items()}
            for axis, values in (wanted | judged.conditions).items():
                assert {str(value) for value in values} <= axes[axis], (axis, values)
            needed = [*(axis for axis in test.axes if axis != "at"), *filter(None, [selection.least_over])]
            assert axes.keys() >= set(needed)


def test_published_table_has_the_schemes_of_the_paper_in_every_line():
    for times_s in claim_rules().table1.values():
        assert list(times_s) == ["petals", "bprr", "jffc_only", "proposed"]
        assert set(times_s) <= set(choices("algorithm"))
    means = [claim_rules().table1[f"{time}_mean_s"] for time in ("response", "waiting", "service")]
    assert all(abs(means[0][scheme] - means[1][scheme] - means[2][scheme]) < 0.06 for scheme in means[0])


def test_ledger_is_written_from_a_store_and_lists_its_experiments(tmp_path):
    swept = script(
        *(
            "run.py",
            "-m",
            "experiment=fig2",
            "data=embedded",
            "draws=2",
            "hydra/launcher=basic",
            f"store={tmp_path / 's'}",
        )
    )
    assert swept.returncode == 0, swept.stderr
    done = script("plot.py", "claims", "--store", tmp_path / "s", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "claims.csv").set_index("id")
    assert table.loc["C3", "verdict"] == "not run: fig3a"
    assert table.loc["C2b", "verdict"].startswith(("reproduced", "not reproduced"))
    text = (tmp_path / "claims.md").read_text()
    assert "- fig2_embedded: 2 draws; network European; workload SyntheticWorkload" in text
    assert set(gather(tmp_path / "s")) == {"fig2"}
    assert basis_of(tmp_path / "s", gather(tmp_path / "s")["fig2"]) in text
    assert "fig2" in choices("experiment")


def test_own_points_of_an_experiment_are_not_judged(tmp_path):
    words = ("run.py", "-m", "experiment=fig2", "data=embedded", "draws=1", "hydra/launcher=basic", "constants=paper")
    swept = script(*words, "tuning.capacity=6", f"store={tmp_path / 's'}")
    assert swept.returncode == 0, swept.stderr
    assert gather(tmp_path / "s")["fig2"].rows.empty
    script("plot.py", "claims", "--store", tmp_path / "s", "--to", tmp_path)
    verdicts = pd.read_csv(tmp_path / "claims.csv").set_index("id")["verdict"]
    assert verdicts["C2b"] == f"{NO_VERDICT}: no point of fig2 is as the experiment declares it"


def test_sides_may_fix_different_axes():
    results = evidence({("a", "0.5"): np.full(DRAWS, 3.0), ("b", "0.5"): np.full(DRAWS, 4.0)})
    of, to = {"where": {"scheme": "a"}}, {"where": {"scheme": ["a", "b"]}}
    cells = decide(results, of, to, compare="difference", axes=["scheme", "load"], band=[None, 0]).cells
    assert {cell.label: cell.value for cell in cells} == {
        "scheme = a, load = 0.5": 0.0,
        "scheme = b, load = 0.5": -1.0,
    }


@pytest.mark.parametrize("seed", range(20))
def test_every_cell_is_of_one_configuration_or_there_is_no_verdict(seed):
    rng = np.random.default_rng(seed)
    levels = {axis: [f"{axis}{n}" for n in range(rng.integers(1, 4))] for axis in ("network", "scheme", "load")}
    points = {key: rng.normal(size=3) for key in itertools.product(*levels.values())}
    results = evidence(points, axes=tuple(levels))
    shown = [axis for axis in levels if rng.random() < 0.6]
    where = {axis: rng.choice(values).item() for axis, values in levels.items() if rng.random() < 0.3}
    shown = [axis for axis in shown if axis not in where]
    hidden = [axis for axis in levels if axis not in shown and axis not in where and len(levels[axis]) > 1]
    if hidden:
        with pytest.raises(PoolingError) as error:
            decide(results, {"where": where}, axes=shown, band=[0, None])
        assert error.value.columns == hidden
        return
    cells = decide(results, {"where": where}, axes=shown, band=[0, None]).cells
    wanted = [key for key in points if all(key[list(levels).index(axis)] == value for axis, value in where.items())]
    assert sorted(cell.value for cell in cells) == pytest.approx(sorted(points[key].mean() for key in wanted))
