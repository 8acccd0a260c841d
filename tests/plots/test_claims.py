"""Tests of claims on made-up rows: quantities, their intervals, and the cells that decide."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plots.claims import quantities
from plots.claims.judging import evaluate_test
from store.tables.statistics import PoolingError
from system.intervals import half_width_of
from tests.support.made_up_results import claim, evidence

DRAWS = 8
PAPER = {"constants": "paper"}
RNG = np.random.default_rng(5)
NOISE = RNG.normal(0, 10, DRAWS)  # of the clusters, the same for all schemes
OWN = RNG.normal(0, 0.1, DRAWS)  # of one scheme


def decide(results, of, to=None, **settings):
    """Return a test's finding under the paper's constants."""
    selections = {"of": {"experiment": "x", "metric": "response_mean_s", **of}}
    if to is not None:
        selections["to"] = {"experiment": "x", "metric": "response_mean_s", **to}
    (test,) = claim([{"measures": "it", "says": "it is {value}", **selections, **settings}]).settings["text"].tests
    return evaluate_test(test, results, PAPER)


def by_load(outcome):
    """Return the values of cells by load."""
    return {cell.coordinates["load"]: round(cell.value, 9) for cell in outcome.cells}


CUT = (
    claim(
        [
            {"measures": "it", "says": "{value}", "compare": "reduction", "band": [0, None]}
            | {side: {"experiment": "x", "metric": "response_mean_s"} for side in ("of", "to")}
        ]
    )
    .settings["text"]
    .tests[0]
)
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
    assert quantities.steps(wide, "J").index.tolist() == [("x", 20), ("x", 30)]


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
    assert by_load(outcome) == {0.3: 1.0, 0.6: 2.0}
    assert outcome.undecided == ["scheme = a, load = 0.9: unstable"]
    assert outcome.holds
    nothing = decide(evidence(values, status=dict.fromkeys(values, "unstable")), A, axes=["load"], band=[None, 5])
    assert not nothing.holds
    assert nothing.worst is None


def test_coordinates_that_some_draws_lack_have_no_mean():
    draws = [{0.1: 1.0, 0.9: 1.0}, {0.1: 1.0}, {0.1: 3.0, 0.9: 1.0}]
    outcome = decide(evidence({("a", "0.5"): draws}), A, axes=["at"], at_is="share", band=[None, 5])
    assert [(cell.coordinates, cell.value) for cell in outcome.cells] == [({"at": 0.1}, pytest.approx(5 / 3))]
    assert outcome.undecided == ["share = 0.9: not in every draw"]


def test_steps_are_paired_and_sorted_as_numbers():
    values = {("a", load): level + NOISE for load, level in [("10", 5.0), ("9", 4.0), ("8", 4.5)]}
    outcome = decide(evidence(values), A, axes=["load"], steps="load", band=[0, None])
    assert by_load(outcome) == {9: -0.5, 10: 1.0}
    assert not outcome.holds
    assert outcome.worst.coordinates == {"load": 9}


def test_cells_with_all_values_of_without_are_left_out():
    values = {(scheme, load): np.full(3, 1.0) for scheme in "ab" for load in ("1", "2")}
    without = {"scheme": "b", "load": 2}
    outcome = decide(evidence(values), {"without": without}, axes=["scheme", "load"], band=[0, None])
    assert [tuple(cell.coordinates.values()) for cell in outcome.cells] == [("a", 1), ("a", 2), ("b", 1)]
    values = {(scheme, load): [] if (scheme, load) == ("b", "2") else np.ones(3) for scheme, load in values}
    results = evidence(values, status={("b", "2"): "unstable"})
    assert decide(results, {}, axes=["scheme", "load"], band=[0, None]).undecided == ["scheme = b, load = 2: unstable"]
    assert decide(results, {"without": without}, axes=["scheme", "load"], band=[0, None]).undecided == []


def test_null_selects_points_without_a_value_of_the_axis():
    results = evidence({("a", np.nan): np.full(3, 1.0), ("a", 2.25): np.full(3, 9.0)})
    for wanted, value in [(None, 1.0), (2.25, 9.0), ([2.25], 9.0)]:
        (cell,) = decide(results, {"where": {"load": wanted}}, band=[0, None]).cells
        assert cell.value == value


def test_mean_of_cells_is_paired_on_the_draw():
    levels = {"1": 1.0, "2": 3.0}
    results = evidence({("a", load): level + NOISE for load, level in levels.items()})
    (cell,) = decide(results, A, axes=["load"], cells="mean", band=[0, None]).cells
    assert cell.value == pytest.approx(2 + NOISE.mean())
    assert cell.half_width == pytest.approx(half_width_of(NOISE))  # as all cells share the noise
    assert cell.coordinates == {}


# The cuts of the published simulator for 10 to 40 servers and shares of 0.1 to 0.4, in per cent.
PUBLISHED_CUTS = {10: (None, 83.1, 35.9, 43.1), 20: (80.1, 51.1, 8.6, 10.6)}
PUBLISHED_CUTS |= {30: (34.3, 9.6, 8.7, 8.4), 40: (39.7, 11.6, 8.1, 8.0)}


def trend(values, axis, band=(None, -0.35)):
    results = evidence({key: np.array([value]) for key, value in values.items()}, axes=("servers", "share"))
    return decide(results, {}, axes=["servers", "share"], trend=axis, band=list(band))


def test_trend_is_the_rank_correlation_over_all_cells():
    cuts = {
        (str(servers), str(share)): cut
        for servers, line in PUBLISHED_CUTS.items()
        for share, cut in zip((0.1, 0.2, 0.3, 0.4), line, strict=True)
        if cut is not None
    }
    for axis, position in (("servers", 0), ("share", 1)):
        outcome = trend(cuts, axis)
        x = [float(key[position]) for key in cuts]
        assert outcome.worst.value == pytest.approx(stats.kendalltau(x, list(cuts.values())).statistic)
        assert outcome.holds  # the source holds, although single steps rise
        assert not trend({key: -cut for key, cut in cuts.items()}, axis).holds
    assert not trend(dict.fromkeys(cuts, 1.0), "share").cells


def test_band_of_the_trend_leaves_out_95_per_cent_of_cells_without_one():
    servers = [10] * 3 + [20] * 4 + [30] * 4 + [40] * 4
    rng = np.random.default_rng(3)
    correlations = [stats.kendalltau(servers, rng.permutation(15)).statistic for _ in range(4000)]
    assert np.mean(np.array(correlations) <= -0.35) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("compare", "of_ratio"), [("ratio", lambda r: r), ("reduction", lambda r: 1 - r)])
def test_ratios_are_of_means_with_the_interval_of_the_jackknife(compare, of_ratio):
    """Compare the delta method with the jackknife over draws, which needs no derivative."""
    rng = np.random.default_rng(1)
    difficulty = rng.lognormal(0, 0.5, 20)
    ours, theirs = 3 * difficulty * rng.lognormal(0, 0.1, 20), 5 * difficulty * rng.lognormal(0, 0.1, 20)
    (cell,) = decide(evidence({("a", "1"): ours, ("b", "1"): theirs}), A, B, compare=compare, band=[0, None]).cells
    assert cell.value == pytest.approx(of_ratio(ours.mean() / theirs.mean()))
    left_out = [np.delete(ours, draw).mean() / np.delete(theirs, draw).mean() for draw in range(20)]
    error = np.sqrt(19 / 20 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    assert cell.half_width == pytest.approx(stats.t.ppf(0.975, 19) * error, rel=0.05)
    apart = half_width_of(ours) / theirs.mean()  # of sides that are not paired, even without the noise of one of them
    assert cell.half_width < 0.7 * apart


def test_intervals_of_cuts_cover_the_cut_of_the_true_means():
    """Check that 93 to 97 % of 1500 intervals hold the true cut."""
    rng, covered = np.random.default_rng(2), 0
    true_cut = 1 - 3 / 5 * np.exp((0.1**2 - 0.2**2) / 2)  # means of log-normal values: exp(sigma² / 2)
    for _ in range(1500):
        difficulty = rng.lognormal(0, 0.5, 20)
        sides = (3 * difficulty * rng.lognormal(0, 0.1, 20), 5 * difficulty * rng.lognormal(0, 0.2, 20))
        of, to = (pd.DataFrame([side], index=pd.Index([""], name="cell")) for side in sides)
        row = quantities._quantity(CUT, of, to).iloc[0]
        covered += abs(row["value"] - true_cut) <= half_width_of(row.drop("value"))
    assert 0.93 <= covered / 1500 <= 0.97


def test_smallest_or_largest_cell_alone():
    values = {("a", load): np.full(3, level) for load, level in [("1", 0.3), ("2", 0.1), ("3", 0.8)]}
    for cells, chosen in [("smallest", {2: 0.1}), ("largest", {3: 0.8})]:
        outcome = decide(evidence(values), A, axes=["load"], cells=cells, band=[0, None])
        assert by_load(outcome) == chosen


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
    assert {cell.coordinates["scheme"]: cell.value for cell in outcome.cells} == {"a": 1.5, "b": 1.0}


def test_status_is_decided_by_the_points():
    results = evidence({("a", "1"): np.ones(3), ("b", "1"): []}, status={("b", "1"): "infeasible"})
    assert decide(results, {}, axes=["scheme"], status="infeasible").holds
    assert not decide(results, A, axes=["scheme"], status="infeasible").holds


def test_sides_may_fix_different_axes():
    results = evidence({("a", "0.5"): np.full(DRAWS, 3.0), ("b", "0.5"): np.full(DRAWS, 4.0)})
    of, to = {"where": {"scheme": "a"}}, {"where": {"scheme": ["a", "b"]}}
    cells = decide(results, of, to, compare="difference", axes=["scheme", "load"], band=[None, 0]).cells
    assert {tuple(cell.coordinates.values()): cell.value for cell in cells} == {("a", 0.5): 0.0, ("b", 0.5): -1.0}


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
