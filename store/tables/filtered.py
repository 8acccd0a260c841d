"""Rows of several experiments as one tidy, filtered table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from store.tables.reading import FOLDER, MEASURED, OF_POINT, Results, all_results, load_provenance, load_results
from store.tables.statistics import shown
from system.checks import require

COMMA = re.compile(r",(?![^\[]*\])")  # a comma outside of lists, as a list is one value

Wanted = str | float | Sequence[str | float]  # values of a column, or a single one
LIKENESS = 0.5  # from this likeness on an existing name is suggested for an unknown one


def collect(
    experiments: str | Sequence[str],
    store: str | Path = FOLDER,
    where: Mapping[str, Wanted] | None = None,
    metrics: str | Sequence[str] = (),
    with_provenance: bool = False,
    outdated: bool = True,
) -> Results:
    """Return the rows of complete points of experiments, and all their points.

    The first column of both tables is `experiment`. `where` gives the values of columns to keep, as numbers or written
    as on the command line; an axis that an experiment lacks is nan in its rows and matches no value.
    `with_provenance` adds the columns of `load_provenance` to each row. A text stands for the list that holds it alone.
    Points that other code computed are among them, with a warning; `outdated=False` leaves them out. Raises
    `InputError` for unknown names and values.
    """
    experiments, metrics = listed(experiments), listed(metrics)
    twice = next((name for name in experiments if experiments.count(name) > 1), None)
    require(twice is None, "experiment", twice, "its rows would be there twice; name it once")
    results = list(map(partial(all_results if outdated else load_results, store=store), experiments))
    rows = _joined(experiments, [result.rows for result in results])
    points = _joined(experiments, [result.points for result in results])
    if not rows.empty:
        for metric in metrics:
            require_known(rows["metric"].unique(), metric=metric)
    rows, points = matching(Results(rows, points), where or {})
    rows = rows[rows["metric"].isin(metrics)] if metrics else rows
    if with_provenance:
        rows = rows.merge(_provenance(experiments, store), on=["point", "draw", "replication"])
    return Results(rows.reset_index(drop=True), points.reset_index(drop=True))


def listed(names: Wanted) -> Sequence[str]:
    """Return names as a list of texts.

    A text or number stands for the list of it alone.
    """
    return [str(names)] if isinstance(names, str) or not isinstance(names, Iterable) else [str(name) for name in names]


def matching(results: Results, where: Mapping[str, Wanted]) -> Results:
    """Return the rows and points with these values of columns.

    Values are written as on the command line. Raises `InputError` for unknown columns and values.
    """
    rows, points = results
    for column, values in where.items():
        require_known(rows.columns.drop("value"), where=column)
        chosen = matching_values(points if column in points else rows, column, listed(values))
        rows = rows[rows[column].isin(chosen)]
        points = points[points[column].isin(chosen)] if column in points else points
    return Results(rows, points)


def require_known(names: Iterable[str], **fields: str) -> None:
    """Raise `InputError` unless each field is one of the names.

    The message suggests similar names, or else all of them.
    """
    known = sorted(map(str, names))
    for field, value in fields.items():
        near = get_close_matches(value, known, cutoff=LIKENESS) or known
        require(value in known, field, value, f"there is no such name; choose {' or '.join(near) or 'none'}")


def _joined(experiments: Sequence[str], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables as one.

    The column `experiment` is first, then come the axes of all.
    """
    named = [table.assign(experiment=name) for name, table in zip(experiments, tables, strict=True)]
    joined = pd.concat(named, ignore_index=True)
    last = [column for column in (*MEASURED, *OF_POINT) if column in joined]
    return joined[["experiment", *joined.columns.difference(["experiment", *last], sort=False), *last]]


def matching_values(table: pd.DataFrame, column: str, wanted: Sequence[str]) -> list[Any]:
    """Return the values of a column that equal the wanted texts or numbers.

    Raises `InputError` for a text that equals no value.
    """
    present = table[column].drop_duplicates()
    numbers = pd.to_numeric(present, errors="coerce")
    chosen = []
    for text in wanted:
        same = present[(present.astype(str) == text) | (numbers == pd.to_numeric(text, errors="coerce"))]
        if same.empty:
            require_known(map(shown, present.dropna()), **{column: text})
        chosen += list(same)
    return chosen


def _provenance(experiments: Sequence[str], store: str | Path) -> pd.DataFrame:
    """Return the provenance of each point, draw and replication."""
    parts = pd.concat([load_provenance(name, store) for name in experiments])
    cells = parts.explode("draws").explode("replications")
    named = cells.rename(columns={"draws": "draw", "replications": "replication"})
    return named.drop_duplicates(["point", "draw", "replication"]).astype({"draw": "int32", "replication": "int32"})


def axis_values(text: str) -> tuple[str, list[str]]:
    """Return the axis and the values of `axis=value,value`."""
    axis, sign, values = text.partition("=")
    require(bool(axis and sign and values), "axis", text, "write axis=value or axis=value,value")
    return axis, COMMA.split(values)
