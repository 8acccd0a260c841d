"""Quantities of tests: a value for each cell, with what each draw adds to it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from plots.claims.evidence import Evidence
from plots.claims.rules import OF_MEANS, ClaimTest, Selection, Where
from store.tables.statistics import by_draw

EVERYTHING = "everything"  # the one cell of a test without axes
VALUE = "value"


def quantity_of(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> tuple[pd.DataFrame, pd.Index]:
    """Return the quantity of a test by cell, and cells that lack draws.

    The table has a line for each complete cell: `value`, and a column for each draw with the influence of that draw on
    it. Student's interval for the mean of the influences has the half-width of the value's. Influences are paired, as
    both sides of a comparison have the same clusters and jobs. Raises `PoolingError` if a cell has rows of several
    configurations.
    """
    compared = _compared(test, evidence, condition)
    names = test.axes or [EVERYTHING]
    sides = (compared.pivot(index=names, columns="draw", values=side) for side in ("of", "to"))  # noqa: PD010 as a pivot_table would pool
    of, to = sides
    wanted = compared.groupby(names)["draws"].max().reindex(of.index)
    is_complete = of.count(axis=1) == wanted
    return _quantity(test, of[is_complete], to[is_complete]), of.index[~is_complete]


def _quantity(test: ClaimTest, of: pd.DataFrame, to: pd.DataFrame) -> pd.DataFrame:
    """Return values and influences.

    A comparison in OF_MEANS has the influences of the delta method [Cochran 1977, 2.11]: the ratio of two means is as
    variable as the mean of (of - ratio x to) / mean of `to`. The others are means of paired differences.
    """
    if test.compare not in OF_MEANS:
        differences = of - to if test.compare else of
        return differences.assign(**{VALUE: differences.mean(axis=1)})
    mean_to = to.mean(axis=1)
    ratio = of.mean(axis=1) / mean_to
    influences = (of - to.mul(ratio, axis=0)).div(mean_to, axis=0)
    value = {"ratio": ratio, "excess": ratio - 1, "reduction": 1 - ratio}[test.compare]
    return influences.assign(**{VALUE: value})


def _compared(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> pd.DataFrame:
    """Return both sides of a test for each cell and draw.

    They are in the columns `of` and `to`. The column `draws` is the number of draws that the cell needs. The two sides
    are paired: a value stands beside that of the same axes and draw. Without a comparison, `to` is nan.
    """
    values = _values(test, test.of, evidence, condition).rename(columns={VALUE: "of"})
    if test.to is None and test.published is None:
        return values.assign(to=np.nan)
    if test.to is not None:
        others = _values(test, test.to, evidence, condition).rename(columns={VALUE: "to"})
    else:
        ((axis, numbers),) = (test.published or {}).items()
        others = pd.DataFrame({axis: list(numbers), "to": list(numbers.values()), "draws": 1})
    shared = [column for column in values if column in others and column not in ("of", "draws")]
    both = values.merge(others, on=shared, suffixes=("", "_to"))
    return both.assign(draws=both[["draws", "draws_to"]].max(axis=1))


def _values(test: ClaimTest, selection: Selection, evidence: Mapping[str, Evidence], condition: Where) -> pd.DataFrame:
    """Return a selection's values for each combination of axes and draw.

    The column `draws` is the number of draws of the point. Points that lack a draw have no values. Raises
    `PoolingError` if a cell has rows of several configurations.
    """
    rows = evidence[selection.experiment].rows
    chosen = selected(rows[rows["status"] == "ok"], selection, condition)
    chosen = chosen[chosen["metric"] == selection.metric].assign(**{EVERYTHING: ""})
    if selection.at is not None:
        chosen = chosen[chosen["at"].round(9).isin(selection.at)]
    keys = _keys(test, selection) if test.axes else [EVERYTHING]
    for axis in keys:
        if axis not in chosen:
            raise KeyError(axis)
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
    curve = by_draw(chosen, [*keys, "at"]).groupby(index)[VALUE]
    return (curve.max() / curve.min() - 1 if selection.over_at == "spread" else curve.min()).to_frame()


def _keys(test: ClaimTest, selection: Selection) -> list[str]:
    """Return the axes of cells that a selection does not fix."""
    return [axis for axis in test.axes if isinstance(selection.where.get(axis, []), list)]


def _least_over(chosen: pd.DataFrame, index: list[str], axis: str) -> pd.DataFrame:
    """Return the value of the axis at which the metric is least.

    Only values of the axis for which every draw has the metric are compared.
    """
    wide = by_draw(chosen, [*index[:-1], axis]).pivot_table(index=index, columns=axis, values=VALUE)
    return wide.dropna(axis=1).idxmin(axis=1).rename(VALUE).to_frame()


def selected(table: pd.DataFrame, selection: Selection, condition: Where) -> pd.DataFrame:
    """Return the rows or points of a selection under a condition."""
    table = _matching(table, selection.where | condition)
    return table.drop(index=_matching(table, selection.without).index) if selection.without else table


def _matching(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """Return the rows whose axes have the values of `where`."""
    for axis, wanted in where.items():
        values = {_comparable(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        table = table[table[axis].isin([value for value in table[axis].unique() if _comparable(value) in values])]
    return table


def _comparable(value: Any) -> float | str:
    """Return the value of an axis as a number if possible; empty for none."""
    if pd.isna(value):
        return ""
    try:
        return float(value)
    except ValueError:
        return str(value)


def steps(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the changes between successive values of an axis.

    A change has the index of the later value. There is no change across a value that is missing.
    """
    axis_values = sorted(table.index.get_level_values(axis).unique())
    others = [name for name in table.index.names if name != axis]
    groups: Sequence[pd.DataFrame] = [group for _, group in table.groupby(level=others)] if others else [table]
    return pd.concat([_steps_of(group, axis, axis_values) for group in groups]) if groups else table


def _steps_of(group: pd.DataFrame, axis: str, axis_values: list[Any]) -> pd.DataFrame:
    ordered = group.sort_index(level=axis)
    positions = [axis_values.index(value) for value in ordered.index.get_level_values(axis)]
    return ordered.diff()[np.diff(positions, prepend=-2) == 1]
