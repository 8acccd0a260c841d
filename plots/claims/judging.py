"""From an experiment's rows to what a test of a claim finds: cells with an interval, and whether they hold."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from plots.claims.rules import ClaimTest, Selection, Where
from store.tables.labels import Labels
from store.tables.statistics import mean_interval

EVERYTHING = "everything"  # the one cell of a test without axes


class Evidence(NamedTuple):
    """An experiment's results, by the name under which it was swept: perhaps the embedded variant's."""

    name: str
    rows: pd.DataFrame  # as `store.load` has them
    points: pd.DataFrame  # as `store.tables.reading.load_points` has them
    labels: Labels = Labels()


class Cell(NamedTuple):
    """The quantity at one combination of axes: its mean over draws, or the worst draw where every draw counts."""

    label: str
    value: float
    half_width: float  # nan where there is none
    holds: bool
    margin: float  # how far inside the band the value is; negative outside
    crosses: bool = False  # whether the interval reaches across an end of the band


class Finding(NamedTuple):
    """What one test finds under one condition."""

    test: ClaimTest
    cells: list[Cell]
    undecided: list[str]  # cells without a mean, and why

    @property
    def holds(self) -> bool:
        """Whether there are cells and all of them hold."""
        return bool(self.cells) and all(cell.holds for cell in self.cells)

    @property
    def worst(self) -> Cell | None:
        """The cell that is deepest outside the band, or least inside."""
        return min(self.cells, key=lambda cell: (cell.holds, cell.margin), default=None)


def finding(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> Finding:
    """What a test finds where the condition's axes have these values; `KeyError` names an axis that is missing."""
    if test.status is not None:
        return _finding_of_status(test, evidence[test.of.experiment], condition)
    values, draws = _compared(test, evidence, condition)
    wide = values.pivot_table(index=test.each or EVERYTHING, columns="draw", values="value")
    complete = wide[wide.count(axis=1) == draws]
    names = wide.index.names
    partial = [f"{_label(test, names, key)}: not in every draw" for key in wide.index.difference(complete.index)]
    refused = [text for each in test.selections for text in _refused(test, each, evidence[each.experiment], condition)]
    cells = [_cell(test, label, sample) for label, sample in _kept(test, complete)]
    return Finding(test, cells, list(dict.fromkeys([*refused, *partial])))


def _finding_of_status(test: ClaimTest, evidence: Evidence, condition: Where) -> Finding:
    """One cell that holds if some point has the status."""
    points = _matching(evidence.points, test.of.where | condition)
    found = [f"{_label(test, test.each, key)}: {status}" for *key, status in points[[*test.each, "status"]].to_numpy()]
    holds = test.status in set(points["status"])
    return Finding(test, [Cell(", ".join(found), np.nan, np.nan, holds, 0.0)] if found else [], [])


def _compared(test: ClaimTest, evidence: Mapping[str, Evidence], condition: Where) -> tuple[pd.DataFrame, int]:
    """The quantity by the axes of `each` and draw, both sides paired; and how many draws a complete cell has."""
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
    """A selection's value by its axes and draw, of points that lack no draw; and how many draws these have."""
    found = evidence[selection.experiment]
    answered = found.rows[found.rows["point"].isin(found.points.loc[found.points["status"] == "ok", "point"])]
    chosen = _matching(answered, selection.where | condition)
    draws = chosen["draw"].nunique()
    chosen = chosen[chosen["metric"] == selection.metric]
    if selection.at is not None:
        chosen = chosen[chosen["at"].round(9).isin(selection.at)]
    keys = [*_keys(test, selection), "draw"]
    if not test.each:
        chosen, keys = chosen.assign(**{EVERYTHING: ""}), [EVERYTHING, "draw"]
    if selection.least_over is not None:
        return _least_over(chosen, keys, selection.least_over), draws
    return chosen.assign(**_numeric(chosen, keys)).groupby(keys)["value"].agg(_over_at(selection)).reset_index(), draws


def _keys(test: ClaimTest, selection: Selection) -> list[str]:
    """The axes of its cells that the selection leaves open."""
    return [axis for axis in test.each if isinstance(selection.where.get(axis, []), list)]


def _over_at(selection: Selection) -> Any:
    """How the values of a cell in a draw become one: their mean is over replications."""
    if selection.over_at == "spread":
        return lambda values: values.max() / values.min() - 1
    return selection.over_at or "mean"


def _least_over(chosen: pd.DataFrame, keys: list[str], axis: str) -> pd.DataFrame:
    """The value of the axis at which the metric is least, among those that every draw has."""
    wide = chosen.assign(**_numeric(chosen, [axis])).pivot_table(index=keys, columns=axis, values="value")
    return wide.dropna(axis=1).idxmin(axis=1).rename("value").reset_index()


def _matching(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows in which every axis has the value, or one of the values, that it should have."""
    for axis, wanted in where.items():
        values = {_comparable(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        table = table[table[axis].isin([value for value in table[axis].unique() if _comparable(value) in values])]
    return table


def _comparable(value: Any) -> float | str:
    """Axes are text: numbers are compared as numbers."""
    try:
        return float(value)
    except ValueError:
        return str(value)


def _numeric(table: pd.DataFrame, axes: Sequence[str]) -> dict[str, pd.Series]:
    """The axes as numbers where they are, so that they are in their order."""
    texts = {axis: table[axis].unique() for axis in axes if axis not in ("at", "draw")}
    return {axis: table[axis].map({text: _comparable(text) for text in each}) for axis, each in texts.items()}


def _refused(test: ClaimTest, selection: Selection, evidence: Evidence, condition: Where) -> list[str]:
    """The points of a selection that lack a draw, with the reason in a word."""
    points = _matching(evidence.points, selection.where | condition)
    points = points[points["status"] != "ok"]
    axes = [axis for axis in dict.fromkeys([*selection.where, *test.each]) if axis in points and axis != "evaluator"]
    return [f"{_label(test, axes, key)}: {status}" for *key, status in points[[*axes, "status"]].to_numpy()]


def _kept(test: ClaimTest, wide: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Label and draws of each cell that the test looks at."""
    if test.steps is not None:
        wide = _steps(wide, test.steps)
    if test.cells != "all" and len(wide):
        means = wide.mean(axis=1)
        wide = wide.loc[[means.idxmin() if test.cells == "smallest" else means.idxmax()]]
    return [(_label(test, wide.index.names, key), row.dropna().to_numpy()) for key, row in wide.iterrows()]


def _steps(wide: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The change in each draw from one value of the axis to the next, named after the later one; none across a hole."""
    places = sorted(wide.index.get_level_values(axis).unique())
    others = [name for name in wide.index.names if name != axis]
    groups = [group for _, group in wide.groupby(level=others)] if others else [wide]
    return pd.concat([_steps_of(group, axis, places) for group in groups]) if groups else wide


def _steps_of(group: pd.DataFrame, axis: str, places: list[Any]) -> pd.DataFrame:
    ordered = group.sort_index(level=axis)
    positions = [places.index(value) for value in ordered.index.get_level_values(axis)]
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
    """A cell in words, such as `server_count = 10, fast_share = 0.1`."""
    values = key if isinstance(key, (tuple, list)) else (key,)
    pairs = [(axis, value) for axis, value in zip(axes, values, strict=True) if axis != EVERYTHING]
    return ", ".join(f"{axis_name(test, axis)} = {_short(value)}" for axis, value in pairs)


def axis_name(test: ClaimTest, axis: Any) -> str:
    """An axis in short: the last part of its key, and of the places of a metric what they are."""
    return test.at_is if axis == "at" else str(axis).rsplit(".", 1)[-1]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
