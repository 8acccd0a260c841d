"""A note on simulated means that are biased because their runs are too short.

Runs start with an empty system, so a short one has too small a mean in every draw, and intervals over draws do not show
it. A mean is noted on any of three grounds: its runs are shorter than `FEWEST_RELAXATIONS` relaxation times; response
times rise from the first to the last tenth of its runs; it is below the exact value at the same axes. The last two
are Student's tests over draws, each at level `LEVEL` for all means of an experiment together (Holm 1979).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtr

from store.tables.statistics import holm, shown
from system.intervals import half_width
from system.words import first_few

LEVEL = 0.01
FEWEST_RELAXATIONS = 10
MOST_NAMED = 4  # points that the note names
MEAN, DRIFT, LENGTH = "response_mean_s", "response_drift", "run_relaxations"
EVALUATOR, EXACT = "evaluator", "exact"
ROUNDING = 1e-12  # a deviation over draws below this share of the mean is none


def run_length_note(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return a line on means that short runs have biased."""
    rows = rows[rows["metric"].isin((MEAN, DRIFT, LENGTH))]
    grounds = _grounds(rows, axes)
    if grounds.empty:
        return []
    simulated = rows[rows["metric"] != MEAN].drop_duplicates("point").set_index("point")[list(axes)]
    words = named_points(simulated, grounds)
    count = f"{len(words)} of {len(simulated)} simulated means"
    return [f"    note: runs are too short for {count}, use more jobs: {'; '.join(first_few(words, MOST_NAMED))}"]


def named_points(points: pd.DataFrame, words: pd.Series) -> list[str]:
    """Return the axes of points in words, with a remark on each point.

    Both are keyed by point; `points` has a column for each axis. Axes that are the same in all points are left out.
    """
    varying = [axis for axis in points if len(set(points[axis])) > 1]
    noted = points.loc[points.index.isin(words.index), varying]
    return [_named(noted.loc[point], words[point]) for point in noted.index]


def _named(axes: pd.Series, words: str) -> str:
    name = " ".join(f"{axis}={shown(value)}" for axis, value in axes.items())
    return f"{name} ({words})" if name else words


def _grounds(rows: pd.DataFrame, axes: Sequence[str]) -> pd.Series:
    """Return by point why its mean is noted, in words."""
    lengths, drifts = (t_tests(_by_draw(rows, metric)) for metric in (LENGTH, DRIFT))
    shortfalls = t_tests(shortfalls_of_means(rows, axes))
    short, low = lengths[lengths["mean"] < FEWEST_RELAXATIONS], rejected(shortfalls)
    rising = rejected(drifts).assign(rise=lambda table: np.expm1(table["mean"]))
    words = [
        *((row.Index, f"{row.mean:.2g} relaxation times long") for row in short.itertuples()),
        *((row.Index, f"times rise by {row.rise:.0%} within the run") for row in rising.itertuples()),
        *((row.Index, f"{row.mean:.1%} ± {row.half_width:.1%} below exact") for row in low.itertuples()),
    ]
    return pd.DataFrame(words, columns=["point", "words"]).groupby("point")["words"].agg(", ".join)


def _by_draw(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Return a metric by point and draw, averaged over replications."""
    return rows[rows["metric"] == metric].groupby(["point", "draw"])["value"].mean()


def shortfalls_of_means(rows: pd.DataFrame, axes: Sequence[str]) -> pd.Series:
    """Return how far simulated means are below exact ones.

    It is a share of the exact mean, by point and draw. These are the points with a length and an exact value at the
    same axes. Points whose jobs slow each other have none: their jobs have whole tokens, those of the exact value not.
    """
    points = rows.drop_duplicates("point")[["point", *axes]]
    exact = points[points[EVALUATOR] == EXACT] if EVALUATOR in points else points.head(0)
    timed = points[points["point"].isin(rows.loc[rows["metric"] == LENGTH, "point"])]
    others = list(dict.fromkeys([*axes, EVALUATOR]))
    timed, exact = (side.assign(**{EVALUATOR: ""}) for side in (timed, exact))
    means = _by_draw(rows, MEAN).rename("mean").reset_index()
    pairs = timed.merge(exact.rename(columns={"point": "exact_point"}), on=others).merge(means, on="point")
    exact_means = means.rename(columns={"point": "exact_point", "mean": "exact_mean"})
    both = pairs.merge(exact_means, on=["exact_point", "draw"]).set_index(["point", "draw"])
    return (both["exact_mean"] - both["mean"]) / both.groupby("point")["exact_mean"].transform("mean")


def t_tests(values: pd.Series) -> pd.DataFrame:
    """Return mean, half-width and p-value of each point.

    The p-value is the probability of a mean as far above 0, by Student's t. It is 1 where nothing varies over draws, as
    there is nothing to test with.
    """
    table = values.groupby(level="point").agg(["mean", "std", "count"])
    deviation = table["std"].where(table["std"] > ROUNDING * table["mean"].abs())
    p = stdtr(table["count"] - 1, -table["mean"] / deviation * np.sqrt(table["count"]))
    return table.assign(half_width=half_width(table["std"], table["count"]), p=p.fillna(1.0))


def rejected(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the tests that reject, by Holm's correction at `LEVEL`."""
    return tests[holm(tests["p"]) <= LEVEL]
