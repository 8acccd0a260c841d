"""Comparisons of several values: adjusted p-values, simultaneous intervals and rankings, beside slower second ways."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from store.commands.comparison import comparison_lines
from store.comparisons.compare import compare_values
from store.comparisons.pairs import Measure, Paired, Side, no_side, paired, with_family
from store.comparisons.ranking import friedman, rank_values
from store.tables.statistics import holm, mean_interval, p_value
from system import InputError
from tests.store.test_commands import edit, swept  # noqa: F401 as `edit` is a fixture for all tests

rng = np.random.default_rng(7)
DRAWS, CELLS, RUNS = 6, 8, 200
BOUND = 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)  # of a share of 5 % in as many runs
NAMES = ("A", "B")


def side(values):
    return Side(pd.Series(values, range(len(values))))


def table_of(*pairs):
    """Return the comparisons of pairs of samples as one family."""
    rows = [paired(side(a), side(b), NAMES) for a, b in pairs]
    return with_family(pd.DataFrame(rows, columns=Paired._fields))


def test_p_values_are_those_of_the_paired_t_test_and_agree_with_the_intervals():
    for shift in np.linspace(0, 3, 40):
        a, b = rng.normal(size=DRAWS), rng.normal(shift, size=DRAWS)
        assert p_value(b - a) == pytest.approx(stats.ttest_rel(b, a).pvalue)
        interval = mean_interval(b - a)
        assert (p_value(b - a) < 0.05) == (abs(interval.mean) > interval.half_width)
    assert np.isnan(p_value([1.0]))
    assert (p_value([0.0, 0.0]), p_value([2.0, 2.0])) == (1.0, 0.0)


def test_adjusted_p_values_are_those_of_holms_steps():
    """Compare with the procedure by steps, at many levels."""
    p = rng.random(7) ** 3
    adjusted = holm([*p, np.nan])
    assert np.isnan(adjusted[-1])
    for level in np.linspace(0.001, 0.999, 333):
        rejected = set()
        for step, index in enumerate(np.argsort(p)):
            if p[index] > level / (p.size - step):
                break
            rejected.add(index)
        assert rejected == set(np.flatnonzero(adjusted[:-1] <= level))


def test_a_family_of_true_hypotheses_is_rarely_rejected():
    """Simulate equal sides: any is rejected in 5 % of runs."""
    plain, adjusted, missed = 0, 0, 0
    for _ in range(RUNS):
        shared = rng.normal(size=DRAWS)  # all comparisons share their clusters
        table = table_of(*((shared + rng.normal(size=DRAWS), shared + rng.normal(size=DRAWS)) for _ in range(CELLS)))
        plain += bool((table["p"] < 0.05).any())
        adjusted += bool((table["p_holm"] < 0.05).any())
        missed += bool((table["difference"].abs() > table["joint_half_width"]).any())
    assert plain > 0.2 * RUNS
    assert max(adjusted, missed) <= BOUND * RUNS


def test_a_ranking_of_equal_values_rarely_finds_a_first():
    false = sum(
        friedman(np.mean([stats.rankdata(rng.normal(size=(10, 4)), axis=1) for _ in range(3)], axis=0))[0] < 0.05
        for _ in range(RUNS)
    )
    assert false <= BOUND * RUNS


def test_the_test_of_one_combination_is_friedmans():
    values = rng.normal(size=(9, 4)) + np.arange(4)
    ranks = stats.rankdata(values, axis=1)
    p, spread = friedman(ranks)
    assert p == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    assert spread == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 9)), rel=1e-3)  # q of 4 values, [Demsar 2006, table 5]


def test_a_ranking_counts_what_a_loop_counts():
    cells = [{name: side(rng.normal(mean, 1, DRAWS)) for mean, name in enumerate("abc")} for _ in range(CELLS)]
    in_order = [[cell[name] for name in "bca"] for cell in cells]
    ranked = rank_values([*in_order, [no_side("unstable"), *in_order[0][1:]]], "bca", "smallest")
    assert (ranked.cell_count, ranked.skipped_count, ranked.draw_count) == (CELLS, 1, DRAWS)
    table = ranked.table.set_index("value")
    assert list(table.index) == list("abc")
    for name, row in table.iterrows():
        best, not_worse = 0, 0
        for cell in cells:
            best += cell[name].by_draw.mean() == min(other.by_draw.mean() for other in cell.values())
            pairs = list(combinations("abc", 2))
            p = holm([stats.ttest_rel(*(cell[one].by_draw for one in pair)).pvalue for pair in pairs])
            beaten = [
                max(pair, key=lambda one: cell[one].by_draw.mean())
                for pair, value in zip(pairs, p, strict=True)
                if value < 0.05
            ]
            not_worse += name not in beaten
        ranks = [
            [
                sorted(cell[one].by_draw[draw] for one in "abc").index(cell[name].by_draw[draw]) + 1
                for draw in range(DRAWS)
            ]
            for cell in cells
        ]
        assert (row["best"], row["not_worse"], row["mean_rank"]) == (best, not_worse, pytest.approx(np.mean(ranks)))
    assert list(rank_values(in_order, "bca", "largest").table["value"]) == list("cba")


BASE = np.array([4.0, 2.0, 3.5, 1.0])


@pytest.fixture
def comparison(tmp_path):
    """Compare four loads: equal, larger, and single or refused."""
    cells = {("fast", "0.1"): BASE, ("fast", "0.2"): BASE, ("fast", "0.3"): BASE**2, ("fast", "0.4"): BASE[:3] * 2}
    cells |= {("slow", "0.1"): BASE, ("slow", "0.2"): BASE, ("slow", "0.3"): BASE + 1, ("slow", "0.4"): "unstable"}
    swept(tmp_path, {key: cell if isinstance(cell, str) else list(cell) for key, cell in cells.items()})
    return compare_values("x", "load", ["0.1", "0.2", "0.3", "0.4"], Measure(), tmp_path)


def test_several_values_are_compared_with_the_first_and_ranked(comparison):
    table = comparison.table.set_index(["scheme", "load"])
    larger, fewer = table.loc[("fast", 0.3)], table.loc[("fast", 0.4)]
    assert larger["p"] == pytest.approx(stats.ttest_rel(BASE**2, BASE).pvalue)
    assert (fewer["pairs"], fewer["unpaired"], fewer["difference"]) == (3, 1, pytest.approx(BASE[:3].mean()))
    assert table.loc[("slow", 0.4), "reason"].startswith("load=0.4: unstable: 1 of 4 draws")
    assert comparison.is_equal.tolist() == [True, False, False, True, False, False]
    assert (comparison.ranking.cell_count, comparison.ranking.skipped_count, comparison.ranking.draw_count) == (1, 1, 3)
    assert comparison.ranking.table["best"].tolist() == [1, 1, 0, 0]


def test_equal_sides_are_one_line(comparison):
    text = "\n".join(comparison_lines(comparison))
    assert "p_holm is adjusted for 5 comparisons" in text
    assert "equal in every draw (2): [scheme=fast,slow load=0.2]" in text
    assert "not compared (1): load=0.4: unstable" in text
    assert "note: 1 comparison over the draws that both sides have; one side has more" in text
    assert "fast      0.2" not in text
    assert "Friedman's test over 3 draws" in text
    whole = "\n".join(comparison_lines(comparison, show_equal=True))
    assert "equal in every draw" not in whole
    assert "fast     0.2" in whole


def test_values_that_do_not_vary_have_no_tests(tmp_path):
    cells = {("fast", load): value for load, value in zip(("0.1", "0.2", "0.3"), (2.0, 1.0, 3.0), strict=True)}
    cells |= {("slow", load): [value] for (_, load), value in cells.items()}
    swept(tmp_path, cells)
    comparison = compare_values("x", "load", ["0.1", "0.2", "0.3"], Measure(), tmp_path)
    assert comparison.ranking.table["value"].tolist() == [0.2, 0.1, 0.3]
    text = "\n".join(comparison_lines(comparison))
    assert "nothing varies between draws in 2 of 4 comparisons: one value, no interval" in text
    assert "note: 2 comparisons of a single draw, which gives no interval" in text
    for name in ("not_worse", "near_first", "Friedman", "p_holm"):
        assert name not in text


def test_a_value_that_does_not_vary_has_its_rank_in_every_draw():
    fixed, varying = side([2.0])._replace(varies=False), side(BASE)
    ranked = rank_values([(fixed, varying, side(BASE + 9)), (fixed, fixed, fixed)], "abc", "smallest")
    table = ranked.table.set_index("value")["mean_rank"]
    ranks = [1 + (draw < 2) + 0.5 * (draw == 2) for draw in BASE]  # of the fixed value beside the varying one
    assert (ranked.draw_count, table["a"]) == (4, pytest.approx((np.mean(ranks) + 2) / 2))


def test_values_must_be_several_and_different(tmp_path):
    swept(tmp_path, {("fast", "0.1"): [1.0], ("slow", "0.1"): [2.0]})
    for values in (["fast"], ["fast", "fast"]):
        with pytest.raises(InputError, match=f"scheme = {','.join(values)}: give two or more values, each once"):
            compare_values("x", "scheme", values, Measure(), tmp_path)
