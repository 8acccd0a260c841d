"""Panels of a figure, and what its notes say of draws and of points without a mean."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import is_numeric_dtype

from plots.drawing.curves import Curve, axis_words, distinguishing_axes
from store.tables.labels import Labels
from store.tables.reading import Results, axes_of
from store.tables.statistics import shown

REFUSED = ("infeasible", "unstable")


class Panel(NamedTuple):
    """The rows and points of a panel, and the setting that it stands for: values by axis."""

    rows: pd.DataFrame
    points: pd.DataFrame
    setting: Mapping[str, Any]

    def title(self, labels: Labels) -> str:
        """Return the setting in words."""
        words = (axis_words(axis, shown(value), labels) for axis, value in self.setting.items() if pd.notna(value))
        return ", ".join(filter(None, words))


def panels_over(results: Results, axes: Sequence[str]) -> list[Panel]:
    """Return the panels over some axes.

    There is one for each combination of values that has rows. Axes that the rows lack are left out. Without any axis
    there is one panel.
    """
    present = [axis for axis in axes if axis in results.rows]
    combinations = results.rows[present].drop_duplicates().to_dict("records") if present else [{}]
    return [_panel(results, {str(axis): value for axis, value in values.items()}) for values in combinations]


def further_panels(results: Results, axes: Sequence[str]) -> list[Panel]:
    """Return the panels over some axes and all further ones."""
    return panels_over(results, [*axes, *distinguishing_axes(results.rows, axes)])


def panel_grid(results: Results, line_axis: str, column_axis: str) -> list[list[Panel]]:
    """Return panels in lines over one axis and columns over another.

    A combination without rows has an empty panel. An axis that the rows lack has one line or one column.
    """
    lines, columns = _settings(results.rows, line_axis), _settings(results.rows, column_axis)
    panels = [_panel(results, line | column) for line, column in product(lines, columns)]
    return [panels[start : start + len(columns)] for start in range(0, len(panels), len(columns))]


def _settings(rows: pd.DataFrame, axis: str) -> list[dict[str, Any]]:
    return [{axis: value} for value in rows[axis].unique()] if axis in rows else [{}]


def _panel(results: Results, values: dict[str, Any]) -> Panel:
    return Panel(_matching(results.rows, values), _matching(results.points, values), values)


def _matching(table: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows with these values; nan equals nan."""
    for axis, value in values.items():
        table = table[table[axis].isna() if pd.isna(value) else table[axis] == value]
    return table


def draws_in(points: pd.DataFrame) -> str:
    """Return the number of draws, such as 5 to 20."""
    least, most = points["draws"].min(), points["draws"].max()
    return str(most) if least == most else f"{least} to {most}"


def left_out(points: pd.DataFrame, curves: Sequence[Curve], axis: str) -> str | None:
    """Return a note on coordinates without a mean, by plain curve.

    Either a point is refused in some draw, or there is no such point although there is one on another curve.
    """
    of_curve = {curve.label: curve.points_in(points) for curve in curves if curve.is_plain}
    known = {value for chosen in of_curve.values() for value in chosen[axis]}
    refused = {label: set(chosen.loc[chosen["status"].isin(REFUSED), axis]) for label, chosen in of_curve.items()}
    missing = {label: known - set(chosen[axis]) for label, chosen in of_curve.items()}
    notes = {"unstable or infeasible in some draw": refused, "not run": missing}
    parts = [f"{note}: {_listed(by_label)}" for note, by_label in notes.items() if any(by_label.values())]
    return "; ".join(parts) or None


def absent(results: Results, labels: Labels) -> list[str]:
    """Return choices without any result, such as `Mine: unstable`."""
    rows, points = results
    choices = [
        axis for axis in axes_of(points) if not is_numeric_dtype(points[axis]) and len(points[axis].unique()) > 1
    ]
    return [
        f"{labels(axis, value)}: {', '.join(of_value['status'].unique())}"
        for axis in choices
        for value, of_value in points.groupby(axis, sort=False)
        if not rows[axis].eq(value).any()
    ]


def _listed(by_label: Mapping[str, set[Any]]) -> str:
    """Return labels with their coordinates in words."""
    return ", ".join(
        f"{label} at {', '.join(map(shown, sorted(values, key=str)))}" for label, values in by_label.items() if values
    )
