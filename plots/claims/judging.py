"""Tests of claims, evaluated on the rows of experiments.

A test yields a finding: cells with a mean and an interval, and whether each cell holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from plots.claims.rules import ClaimTest, Selection, Where
from store.tables.labels import Labels
from store.tables.statistics import mean_interval

EVERYTHING = "everything"  # the one cell of a test without axes


class Evidence(NamedTuple):
    """The results of an experiment, or of its embedded variant."""

    name: str  # under which it was swept
    rows: pd.DataFrame  # from `store.tables.reading.load`
    points: pd.DataFrame  # from `store.tables.reading.load_points`
    labels: Labels = Labels()


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
    results lack an axis.
    """
    if test.status is not None:
        return _evaluate_status(test, evidence[test.of.experiment], condition)
    values, draws = _compared(test, evidence, condition)
    wide = values.pivot_table(index=test.axes or EVERYTHING, columns="draw", values="value")
    complete = wide[wide.count(axis=1) == draws]
    names = wide.index.names
    partial = [f"{_label(test, names, key)}: not in every draw" for key in wide.index.difference(complete.index)]
    refused = [
        text
        for selection in test.selections
        for text in _points_without_draws(test, selection, evidence[selection.experiment], condition)
    ]
    cells = [_cell(test, label, sample) for label, sample in _selected_cells(test, complete)]
    return Finding(test, cells, list(dict.fromkeys([*refused, *partial])))


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


def _compared(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> tuple[pd.DataFrame, int]:
    """Return the quantity by cell, and the number of draws.

    The quantity is given for each cell and draw. A complete cell has as many draws as are returned. A cell is a
    combination of values of the axes of the test. The two sides of a comparison are paired: a value is compared with
    that of the same axes and draw.
    """
    values, draws = _values(test, test.of, evidence, condition)
    if test.to is None and test.published is None:
        return values, draws
    if test.to is not None:
        others, other_draws = _values(test, test.to, evidence, condition)
        draws = max(draws, other_draws)
    else:
        ((axis, numbers),) = (test.published or {}).items()
        others = pd.DataFrame({axis: list(numbers), "value": list(numbers.values())})
    shared = [column for column in values if column in others and column != "value"]
    both = values.merge(others, on=shared, suffixes=("", "_to"))
    return both.assign(value=_comparison(test, both["value"], both["value_to"])), draws


def _comparison(test: ClaimTest, of: pd.Series, to: pd.Series) -> pd.Series:
    if test.compare == "difference":
        return of - to
    ratio = of / to
    return {"ratio": ratio, "excess": ratio - 1, "reduction": 1 - ratio}[test.compare or ""]


def _values(
    test: ClaimTest, selection: Selection, evidence: Mapping[str, Evidence], condition: Where
) -> tuple[pd.DataFrame, int]:
    """Return a selection's values, and the number of draws.

    There is a value for each combination of axes and draw. Points that lack a draw have no values.
    """
    results = evidence[selection.experiment]
    complete = results.rows[results.rows["point"].isin(results.points.loc[results.points["status"] == "ok", "point"])]
    chosen = _matching(complete, selection.where | condition)
    draws = chosen["draw"].nunique()
    chosen = chosen[chosen["metric"] == selection.metric]
    if selection.at is not None:
        chosen = chosen[chosen["at"].round(9).isin(selection.at)]
    keys = [*_keys(test, selection), "draw"]
    if not test.axes:
        chosen, keys = chosen.assign(**{EVERYTHING: ""}), [EVERYTHING, "draw"]
    if selection.least_over is not None:
        return _least_over(chosen, keys, selection.least_over), draws
    return chosen.assign(**_numeric(chosen, keys)).groupby(keys)["value"].agg(_over_at(selection)).reset_index(), draws


def _keys(test: ClaimTest, selection: Selection) -> list[str]:
    """Return the axes of cells that a selection does not fix."""
    return [axis for axis in test.axes if isinstance(selection.where.get(axis, []), list)]


def _over_at(selection: Selection) -> Any:
    """Return how to aggregate a cell's values in a draw.

    The default is the mean, which is over replications.
    """
    if selection.over_at == "spread":
        return lambda values: values.max() / values.min() - 1
    return selection.over_at or "mean"


def _least_over(chosen: pd.DataFrame, keys: list[str], axis: str) -> pd.DataFrame:
    """Return the value of the axis at which the metric is least.

    Only values of the axis for which every draw has the metric are compared.
    """
    wide = chosen.assign(**_numeric(chosen, [axis])).pivot_table(index=keys, columns=axis, values="value")
    return wide.dropna(axis=1).idxmin(axis=1).rename("value").reset_index()


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


def _numeric(table: pd.DataFrame, axes: Sequence[str]) -> dict[str, pd.Series]:
    """Return the axes as numbers, so that they sort correctly."""
    texts = {axis: table[axis].unique() for axis in axes if axis not in ("at", "draw")}
    return {axis: table[axis].map({text: _comparable(text) for text in values}) for axis, values in texts.items()}


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
    return ", ".join(f"{axis_name(test, axis)} = {_short(value)}" for axis, value in pairs)


def axis_name(test: ClaimTest, axis: Any) -> str:
    """Return the short name of an axis: the last part of its key.

    The coordinate `at` of a metric has the name that the test gives it.
    """
    return test.at_is if axis == "at" else str(axis).rsplit(".", 1)[-1]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
