"""Tables of means: a row for each value of some axes, a column for each value of another, an interval in each cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from store.tables.filtered import Wanted, collect, listed, require_known
from store.tables.labels import Labels
from store.tables.reading import FOLDER, Measure, axes_of
from store.tables.statistics import Interval, complete_means, shown
from system.checks import require

COORDINATES = ["metric", "at"]
NO_LABELS = Labels()


class MeansTable(NamedTuple):
    """Means over draws, one in each cell."""

    cells: pd.DataFrame  # a row for each cell: axes, metric, at, mean, half_width, draws, and the status of its point
    rows: list[str]  # columns of `cells` by which the table has its rows
    columns: str | None  # column of `cells` whose values are the columns of the table
    fixed: dict[str, Any]  # the columns of `cells` that have one value


def means_table(
    experiment: str,
    rows: str | Sequence[str],
    columns: str | None = None,
    metrics: str | Sequence[str] = Measure().metric,
    where: Mapping[str, Wanted] | None = None,
    store: str | Path = FOLDER,
) -> MeansTable:
    """Return means by rows and columns: axes, `metric` or `at`.

    An axis that varies and is neither becomes a further row key, so a mean is only over draws and replications. A mean
    needs all draws of its point; a cell without one has the point's status instead.
    """
    rows = listed(rows)
    require(len(set(rows)) == len(rows), "rows", rows, "names an axis twice; leave one out")
    require("draw" not in (where or {}), "where", "draw", "a mean is over all draws; leave it out")
    measured, points = collect(experiment, store, where, metrics)
    points = points.drop(columns="experiment")
    axes = axes_of(points)
    keys = [*axes, *COORDINATES]
    for key in [*rows, *([columns] if columns else [])]:
        require_known(keys, axis=key)
    require(columns not in rows, "columns", columns, "is a row as well; choose another axis")
    which = " with these values; leave out --where, or" if where else ";"
    require(not measured.empty, "experiment", experiment, f"no point has results{which} see `python -m store status`")
    means = complete_means(measured.drop(columns="experiment"), keys)
    taken = measured[COORDINATES].drop_duplicates()
    cells = points[[*axes, "status"]].merge(taken, how="cross").merge(means, on=keys, how="left")
    cells = cells[[*keys, "mean", "half_width", "draws", "status"]]
    varying = [key for key in keys if len(cells[key].drop_duplicates()) > 1]
    further = [key for key in varying if key not in (*rows, columns)]
    return MeansTable(
        cells, [*rows, *further], columns, {key: cells[key].iloc[0] for key in keys if key not in varying}
    )


def wide(table: MeansTable, labels: Labels = NO_LABELS) -> pd.DataFrame:
    """Return the table for people, with labels and intervals.

    Values are in the order of the experiment's points, those of the first row key vary last. Labels of an axis are left
    out if two of its values have the same one.
    """
    keys = [*table.rows, *([table.columns] if table.columns else [])]
    named = table.cells.assign(**{key: _named(table.cells[key], key, labels) for key in keys})
    by_row: dict[tuple[str, ...], dict[str, Interval | str]] = {}
    for cell in named.to_dict("records"):
        row = by_row.setdefault(tuple(cell[key] for key in table.rows), {})
        row[cell[table.columns] if table.columns else "mean"] = _content(cell)
    columns = list(named[table.columns].drop_duplicates()) if table.columns else ["mean"]
    order = {key: list(named[key].drop_duplicates()) for key in table.rows}
    rows = sorted(by_row, key=lambda row: [order[key].index(value) for key, value in zip(table.rows, row, strict=True)])
    lines = [[*row, *(by_row[row].get(column, "") for column in columns)] for row in rows]
    return pd.DataFrame(lines, columns=[*table.rows, *columns])


def _named(values: pd.Series, key: str, labels: Labels) -> pd.Series:
    """Return labels, or values as text; nan is empty."""
    present = values.drop_duplicates().dropna()
    by_value = {value: labels(key, value) for value in present}
    if len(set(by_value.values())) < len(by_value):
        by_value = {value: shown(value) for value in present}
    return values.map(by_value).fillna("")


def _content(cell: Mapping[Any, Any]) -> Interval | str:
    """Return a cell's interval, or its point's status."""
    if pd.isna(cell["mean"]):
        return "" if cell["status"] == "ok" else str(cell["status"])
    return Interval(cell["mean"], cell["half_width"], int(cell["draws"]))


def title(table: MeansTable) -> str:
    """Return metrics, columns, and the axes that have one value."""
    metrics = ", ".join(table.cells["metric"].unique())
    quantile = table.fixed.get("at", np.nan)
    measure = metrics if np.isnan(quantile) else f"{metrics} at {quantile:g}"
    columns = f"; columns: {table.columns}" if table.columns else ""
    fixed = "".join(f"; {key}={shown(value)}" for key, value in table.fixed.items() if key not in COORDINATES)
    return f"{measure}, means over draws ± their 95 % intervals{columns}{fixed}"
