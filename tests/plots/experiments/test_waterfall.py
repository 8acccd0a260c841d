"""The waterfall: shares that add up, and bars with the cuts of the means over runs."""

from itertools import chain, combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.drawing.shapley import shapley_shares
from plots.figures.published.waterfall import BPRR, CELL, EXACT, PETALS, PRINTED, PROPOSED_STEPS, PUBLISHED, draw
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

CHOICES = "abcd"
CELLS = ((10, 0.1), (10, 0.2), (20, 0.1))  # the first is left out
DRAWS = 3


def subsets(choices):
    sizes = range(len(choices) + 1)
    return [frozenset(s) for s in chain.from_iterable(combinations(choices, size) for size in sizes)]


@pytest.mark.parametrize("seed", range(5))
def test_shares_add_up_to_the_difference(seed):
    values = dict(zip(subsets(CHOICES), np.random.default_rng(seed).random(16), strict=True))
    shares = shapley_shares(values)
    assert set(shares) == set(CHOICES)
    assert sum(shares.values()) == pytest.approx(values[frozenset(CHOICES)] - values[frozenset()])


def test_equal_choices_have_equal_shares_and_idle_ones_none():
    values = {chosen: float(len(chosen - {"d"}) ** 2) for chosen in subsets(CHOICES)}
    shares = shapley_shares(values)
    assert shares == pytest.approx({"a": 3, "b": 3, "c": 3, "d": 0})


def test_a_share_depends_on_all_orders():
    # a adds 1 alone and 5 after b; b adds 2 alone and 6 after a.
    values = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("ab"): 7.0}
    assert shapley_shares(values) == pytest.approx({"a": 3, "b": 4})


def settings():
    yield from [PUBLISHED, EXACT, PRINTED, *(setting for _, setting in PROPOSED_STEPS[2:])]
    for baseline in (BPRR, PETALS):
        for published in subsets([choice.axis for choice in baseline.choices]):
            own = {c.axis: c.published if c.axis in published else c.fair for c in baseline.choices}
            yield {"algorithm": baseline.algorithm, **own}


def made_up(left_out=None):
    """Return made-up rows, and their times by setting and cell."""
    rng, rows, times = np.random.default_rng(1), [], {}
    for number, setting in enumerate(settings()):
        for cell in CELLS:
            values = rng.uniform(5, 50, DRAWS)
            times[tuple(sorted(setting.items())), cell] = values
            point = {axis: value for axis, value in setting.items() if value} | dict(zip(CELL, cell, strict=True))
            if number != left_out:
                rows += [
                    point
                    | {"point": f"{number}{cell}", "draw": draw, "replication": 0, "metric": "response_mean_s"}
                    | {"at": np.nan, "value": value, "status": "ok", "draws": DRAWS}
                    for draw, value in enumerate(values)
                ]
    return rows, times


def cuts(times, ours, theirs):
    mean = {
        s: [times[tuple(sorted(s_.items())), c].mean() for c in CELLS[1:]] for s, s_ in (("o", ours), ("t", theirs))
    }
    return [100 * (1 - one / other) for one, other in zip(mean["o"], mean["t"], strict=True)]


def numbers_of(axes):
    return [text.get_text() for text in axes.texts]


def test_bars_are_cuts_of_means_over_runs_without_the_cell_that_the_paper_leaves_out():
    rows, times = made_up()
    figure = draw(results_of(pd.DataFrame(rows)), Labels())
    plt.close(figure)
    for axes, baseline in zip(figure.axes[:2], (BPRR, PETALS), strict=True):
        chosen = {choice.axis: choice.published for choice in baseline.choices}
        expected = [cuts(times, PUBLISHED, {"algorithm": baseline.algorithm, **chosen})]
        for choice in baseline.choices:
            chosen[choice.axis] = choice.fair
            expected.append(cuts(times, PUBLISHED, {"algorithm": baseline.algorithm, **chosen}))
        fair = {"algorithm": baseline.algorithm, **chosen}
        expected += [cuts(times, own, fair) for _, own in PROPOSED_STEPS] if baseline is BPRR else []
        assert numbers_of(axes) == [f"{np.mean(c):.1f} ({min(c):.1f} to {max(c):.1f})" for c in expected]


def test_shares_below_add_up_to_the_steps_above():
    rows, _ = made_up()
    figure = draw(results_of(pd.DataFrame(rows)), Labels())
    plt.close(figure)
    for above, below, baseline in zip(figure.axes[:2], figure.axes[2:], (BPRR, PETALS), strict=True):
        steps = [bar.get_width() for bar in above.patches]
        shares = [bar.get_width() for bar in below.patches]
        count = len(baseline.choices)
        assert sum(shares[:count]) == pytest.approx(steps[0] - steps[count])  # of the mean cut
        assert len(shares) == 2 * count


def test_a_setting_without_points_is_named():
    rows, _ = made_up(left_out=1)
    with pytest.raises(KeyError, match="dispatch=jffc"):
        draw(results_of(pd.DataFrame(rows)), Labels())
