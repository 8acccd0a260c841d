"""Tests of claims, evaluated on the rows of experiments.

A test yields a finding: cells with a value and an interval, and whether each cell holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from plots.claims.evidence import Evidence
from plots.claims.quantities import EVERYTHING, VALUE, quantity_of, selected, steps
from plots.claims.rules import ClaimTest, Selection, Where
from store.tables.statistics import shown
from system.intervals import half_width_of


class Cell(NamedTuple):
    """The quantity of a test at one combination of axis values."""

    coordinates: dict[str, Any]  # the values of the axes, by short name
    value: float  # over all draws, or of the worst draw if every draw counts
    half_width: float  # nan if there is no interval
    holds: bool
    margin: float  # distance of the value to the nearer end of the band; negative outside the band
    crosses: bool = False  # whether an end of the band lies inside the interval
    statuses: str = ""  # of the points, if the test is about these


class Finding(NamedTuple):
    """The result of one test under one condition."""

    test: ClaimTest
    cells: list[Cell]
    undecided: list[str]  # cells without a value, with the reason

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
    complete, lacking = quantity_of(test, evidence, condition)
    partial = [
        f"{_in_words(test, _coordinates(test, complete.index.names, key))}: not in every draw" for key in lacking
    ]
    refused = [
        text
        for selection in test.selections
        for text in _points_without_draws(test, selection, evidence[selection.experiment], condition)
    ]
    return Finding(test, _cells(test, complete), list(dict.fromkeys([*refused, *partial])))


def _evaluate_status(test: ClaimTest, evidence: Evidence, condition: Where) -> Finding:
    """Return a finding with a single cell of statuses.

    The cell holds if some point has the status of the test.
    """
    statuses = selected(evidence.points, test.of, condition)["status"].unique()
    holds = test.status in statuses
    words = " or ".join("able to run" if status == "ok" else status for status in statuses)
    return Finding(test, [Cell({}, np.nan, np.nan, holds, 0.0, statuses=words)] if words else [], [])


def _points_without_draws(test: ClaimTest, selection: Selection, evidence: Evidence, condition: Where) -> list[str]:
    """Return a selection's points that lack a draw, with their status."""
    points = selected(evidence.points, selection, condition)
    points = points[points["status"] != "ok"]
    named = dict.fromkeys([*selection.where, *test.axes, selection.least_over])
    axes = [axis for axis in named if axis in points and axis != "evaluator"]
    keyed = points[[*axes, "status"]].to_numpy()
    return [f"{_in_words(test, _coordinates(test, axes, key))}: {status}" for *key, status in keyed]


def _cells(test: ClaimTest, table: pd.DataFrame) -> list[Cell]:
    """Return the cells of a test that its rule keeps."""
    if test.steps is not None:
        table = steps(table, test.steps)
    if table.empty:
        return []
    if test.trend is not None:
        return _trend(test, test.trend, table)
    if test.cells == "mean":
        return [_cell(test, {}, table.mean(axis=0))]
    if test.cells != "all":
        table = table.loc[[table[VALUE].idxmin() if test.cells == "smallest" else table[VALUE].idxmax()]]
    return [_cell(test, _coordinates(test, table.index.names, key), row) for key, row in table.iterrows()]


def _trend(test: ClaimTest, axis: str, table: pd.DataFrame) -> list[Cell]:
    """Return one cell with Kendall's rank correlation (tau-b) of all cells with an axis.

    There is none if all values are equal.
    """
    correlation = float(kendalltau(table.index.get_level_values(axis), table[VALUE]).statistic)
    low, high = test.ends
    margin = min(correlation - low, high - correlation)
    return [] if np.isnan(correlation) else [Cell({}, correlation, np.nan, margin >= 0, margin)]


def _cell(test: ClaimTest, coordinates: dict[str, Any], row: pd.Series) -> Cell:
    low, high = test.ends
    value, influences = float(row[VALUE]), row.drop(VALUE).dropna().to_numpy(float)
    if test.draws == "every":
        margins = np.minimum(influences - low, high - influences)
        worst = int(margins.argmin())
        return Cell(coordinates, float(influences[worst]), np.nan, bool((margins >= 0).all()), float(margins[worst]))
    half_width = half_width_of(influences)
    reach = np.nan_to_num(half_width)
    crosses = any(value - reach < end < value + reach for end in (low, high))
    margin = min(value - low, high - value)
    return Cell(coordinates, value, half_width, margin >= 0, margin, crosses)


def _coordinates(test: ClaimTest, axes: Sequence[Any], key: Any) -> dict[str, Any]:
    """Return the values of axes by their short names."""
    values = key if isinstance(key, (tuple, list)) else (key,)
    return {short_name(axis): value for axis, value in zip(axes, values, strict=True) if axis != EVERYTHING}


def short_name(axis: Any) -> str:
    """Return the last part of an axis's key."""
    return str(axis).rsplit(".", 1)[-1]


def axis_name(test: ClaimTest, axis: Any) -> str:
    """Return the short name of an axis.

    The coordinate `at` of a metric has the name that the test gives it.
    """
    return test.at_is if axis == "at" else short_name(axis)


def _in_words(test: ClaimTest, coordinates: Mapping[str, Any]) -> str:
    """Return a cell in words, such as `server_count = 10, fast_share = 0.1`."""
    return ", ".join(f"{axis_name(test, axis)} = {shown(value)}" for axis, value in coordinates.items())
