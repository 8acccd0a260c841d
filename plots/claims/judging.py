"""Tests of claims, evaluated on the rows of experiments.

A test yields a finding: cells with a mean and an interval, and whether each cell holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from plots.claims.rules import ClaimTest, Selection, Where
from store.tables.labels import Labels
from store.tables.statistics import by_draw, mean_interval, shown

EVERYTHING = "everything"  # the one cell of a test without axes


class Evidence(NamedTuple):
    """The results of an experiment, or of its embedded variant."""

    name: str  # under which it was swept
    rows: pd.DataFrame  # of the points that the experiment declares, as from `store.tables.reading.load`
    points: pd.DataFrame  # the same points, as from `store.tables.reading.load_points`
    labels: Labels = Labels()
    draws: int = 0  # the least number of draws of a point
    declared_count: int = 0  # number of points that the experiment declares


class Cell(NamedTuple):
    """The quantity of a test at one combination of axis values."""

    label: str
    value: float  # mean over draws, or the worst draw if every draw counts
    half_width: float  # nan if there is no interval
    holds: bool
    margin: float  # distance of the value to the nearer end of the band; negative outside the band
    crosses: bool = False  # whether an end of the band lies inside the interval


class Finding(NamedTuple):
    """The result of one test under one condition."""

    test: ClaimTest
    cells: list[Cell]
    undecided: list[str]  # cells without a mean, with the reason

    @property
    def holds(self) -> bool:
        """Return whether there are cells and all of them hold."""
        return bool(self.cells) and all(cell.holds for cell in self.cells)

    @property
    def worst(self) -> Cell | None:
        """Return the cell furthest outside the band.

        If all cells are inside, return the cell closest to the edge of the band. Without cells, return None.
        """
        return min(self.cells, key=lambda cell: (cell.holds, cell.margin), default=None)


def evaluate_test(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> Finding:
    """Return the finding of a test under a condition.

    Only points whose axes have the condition's values count. Raises `KeyError`, with the name of the axis, if the
    results lack an axis, and `PoolingError` if a cell has rows of several configurations.
    """
    if test.status is not None:
        return _evaluate_status(test, evidence[test.of.experiment], condition)
    values = _compared(test, evidence, condition)
    names = test.axes or [EVERYTHING]
    wide = values.pivot(index=names, columns="draw", values="value")  # noqa: PD010 as a pivot_table would pool
    wanted = values.groupby(names)["draws"].max()
    complete = wide[wide.count(axis=1) == wanted.reindex(wide.index)]
    partial = [f"{_label(test, names, key)}: not in every draw" for key in wide.index.difference(complete.index)]
    refused = [
        text
        for selection in test.selections
        for text in _points_without_draws(test, selection, evidence[selection.experiment], condition)
    ]
    decided = [_cell(test, label, sample) for label, sample in _selected_cells(test, complete)]
    return Finding(test, decided, list(dict.fromkeys([*refused, *partial])))


def _evaluate_status(test: ClaimTest, evidence: Evidence, condition: Where) -> Finding:
    """Return a finding with a single cell of statuses.

    The cell holds if some point has the status of the test.
    """
    points = _matching(evidence.points, test.of.where | condition)
    statuses = [
        f"{_label(test, test.axes, key)}: {status}" for *key, status in points[[*test.axes, "status"]].to_numpy()
    ]
    holds = test.status in set(points["status"])
    return Finding(test, [Cell(", ".join(statuses), np.nan, np.nan, holds, 0.0)] if statuses else [], [])


def _compared(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> pd.DataFrame:
    """Return the quantity for each cell and draw.

    The column `draws` is the number of draws that the cell needs. A cell is a combination of values of the axes of the
    test. The two sides of a comparison are paired: a value is compared with that of the same axes and draw.
    """
    values = _values(test, test.of, evidence, condition)
    if test.to is None and test.published is None:
        return values
    if test.to is not None:
        others = _values(test, test.to, evidence, condition)
    else:
        ((axis, numbers),) = (test.published or {}).items()
        others = pd.DataFrame({axis: list(numbers), "value": list(numbers.values()), "draws": 1})
    shared = [column for column in values if column in others and column not in ("value", "draws")]
    both = values.merge(others, on=shared, suffixes=("", "_to"))
    draws = both[["draws", "draws_to"]].max(axis=1)
    return both.assign(value=_comparison(test, both["value"], both["value_to"]), draws=draws)


def _comparison(test: ClaimTest, of: pd.Series, to: pd.Series) -> pd.Series:
    if test.compare == "difference":
        return of - to
    ratio = of / to
    return {"ratio": ratio, "excess": ratio - 1, "reduction": 1 - ratio}[test.compare or ""]


def _values(test: ClaimTest, selection: Selection, evidence: Mapping[str, Evidence], condition: Where) -> pd.DataFrame:
    """Return a selection's values for each combination of axes and draw.

    The column `draws` is the number of draws of the point. Points that lack a draw have no values. Raises
    `PoolingError` if a cell has rows of several configurations.
    """
    rows = evidence[selection.experiment].rows
    chosen = _matching(rows[rows["status"] == "ok"], selection.where | condition)
    chosen = chosen[chosen["metric"] == selection.metric].assign(**{EVERYTHING: ""})
    if selection.at is not None:
        chosen = chosen[chosen["at"].round(9).isin(selection.at)]
    keys = _keys(test, selection) if test.axes else [EVERYTHING]
    values = _reduced(chosen, selection, keys)
    draws = chosen.groupby([*keys, "draw"])["draws"].first()
    return values.assign(draws=draws.reindex(values.index)).reset_index()


def _reduced(chosen: pd.DataFrame, selection: Selection, keys: list[str]) -> pd.DataFrame:
    """Return a selection's `value` by keys and draw."""
    index = [*keys, "draw"]
    if selection.least_over is not None:
        return _least_over(chosen, index, selection.least_over)
    if selection.over_at is None:
        return by_draw(chosen, keys).set_index(index)
    curve = by_draw(chosen, [*keys, "at"]).groupby(index)["value"]
    return (curve.max() / curve.min() - 1 if selection.over_at == "spread" else curve.min()).to_frame()


def _keys(test: ClaimTest, selection: Selection) -> list[str]:
    """Return the axes of cells that a selection does not fix."""
    return [axis for axis in test.axes if isinstance(selection.where.get(axis, []), list)]


def _least_over(chosen: pd.DataFrame, index: list[str], axis: str) -> pd.DataFrame:
    """Return the value of the axis at which the metric is least.

    Only values of the axis for which every draw has the metric are compared.
    """
    wide = by_draw(chosen, [*index[:-1], axis]).pivot_table(index=index, columns=axis, values="value")
    return wide.dropna(axis=1).idxmin(axis=1).rename("value").to_frame()


def _matching(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """Return the rows whose axes have the values of `where`."""
    for axis, wanted in where.items():
        values = {_comparable(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        table = table[table[axis].isin([value for value in table[axis].unique() if _comparable(value) in values])]
    return table


def _comparable(value: Any) -> float | str:
    """Return the text of an axis as a number, if possible."""
    try:
        return float(value)
    except ValueError:
        return str(value)


def _points_without_draws(test: ClaimTest, selection: Selection, evidence: Evidence, condition: Where) -> list[str]:
    """Return a selection's points that lack a draw, with their status."""
    points = _matching(evidence.points, selection.where | condition)
    points = points[points["status"] != "ok"]
    axes = [axis for axis in dict.fromkeys([*selection.where, *test.axes]) if axis in points and axis != "evaluator"]
    return [f"{_label(test, axes, key)}: {status}" for *key, status in points[[*axes, "status"]].to_numpy()]


def _selected_cells(test: ClaimTest, wide: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Return label and draws of each cell of a test."""
    if test.steps is not None:
        wide = _steps(wide, test.steps)
    if test.cells != "all" and len(wide):
        means = wide.mean(axis=1)
        wide = wide.loc[[means.idxmin() if test.cells == "smallest" else means.idxmax()]]
    return [(_label(test, wide.index.names, key), row.dropna().to_numpy()) for key, row in wide.iterrows()]


def _steps(wide: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the changes between successive values of an axis.

    They are taken in each draw. A change has the index of the later value. There is no change across a value that is
    missing.
    """
    axis_values = sorted(wide.index.get_level_values(axis).unique())
    others = [name for name in wide.index.names if name != axis]
    groups = [group for _, group in wide.groupby(level=others)] if others else [wide]
    return pd.concat([_steps_of(group, axis, axis_values) for group in groups]) if groups else wide


def _steps_of(group: pd.DataFrame, axis: str, axis_values: list[Any]) -> pd.DataFrame:
    ordered = group.sort_index(level=axis)
    positions = [axis_values.index(value) for value in ordered.index.get_level_values(axis)]
    return ordered.diff()[np.diff(positions, prepend=-2) == 1]


def _cell(test: ClaimTest, label: str, sample: np.ndarray) -> Cell:
    low, high = test.ends
    if test.draws == "every":
        margins = np.minimum(sample - low, high - sample)
        worst = int(margins.argmin())
        return Cell(label, float(sample[worst]), np.nan, bool((margins >= 0).all()), float(margins[worst]))
    interval = mean_interval(sample)
    reach = np.nan_to_num(interval.half_width)
    crosses = (
        interval.mean - reach < low < interval.mean + reach or interval.mean - reach < high < interval.mean + reach
    )
    margin = min(interval.mean - low, high - interval.mean)
    return Cell(label, interval.mean, interval.half_width, margin >= 0, margin, crosses)


def _label(test: ClaimTest, axes: Sequence[Any], key: Any) -> str:
    """Return a cell in words, such as `server_count = 10, fast_share = 0.1`."""
    values = key if isinstance(key, (tuple, list)) else (key,)
    pairs = [(axis, value) for axis, value in zip(axes, values, strict=True) if axis != EVERYTHING]
    return ", ".join(f"{axis_name(test, axis)} = {shown(value)}" for axis, value in pairs)


def axis_name(test: ClaimTest, axis: Any) -> str:
    """Return the short name of an axis: the last part of its key.

    The coordinate `at` of a metric has the name that the test gives it.
    """
    return test.at_is if axis == "at" else str(axis).rsplit(".", 1)[-1]
