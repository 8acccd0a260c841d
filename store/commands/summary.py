"""Summary of an experiment in one line, and the reasons for points without a result."""

from collections.abc import Sequence
from math import prod
from typing import Any

import pandas as pd

from store.disk.outcome import NOTHING_VARIES
from store.disk.store import Store
from store.tables.reading import axes_of, points_of
from store.tables.statistics import shown
from system.words import first_few

MOST_POINTS, MOST_VALUES = 3, 8  # with one reason, and of one axis


def summary_line(experiment: str, fixed: Sequence[str], points: pd.DataFrame) -> str:
    """Return a line with fixed keys, points by status, and seconds of work.

    `fixed` are the keys that the command line set; `points` is a table as `load_points` returns it.
    """
    counts = ", ".join(f"{count} {status}" for status, count in points["status"].value_counts().items())
    fixed_points = int((~points["varies"]).sum())
    note = f"; {NOTHING_VARIES} in {fixed_points}" if fixed_points else ""
    title, duration_s = titled(experiment, fixed), points["duration_s"].sum()
    return f"{title:22} {len(points):4} points: {counts}{note}; {duration_s:.1f} s of work"


def titled(experiment: str, fixed: Sequence[str]) -> str:
    """Return the name of an experiment with the keys that the command line set."""
    return f"{experiment} ({', '.join(fixed)})" if fixed else experiment


def history_line(store: Store, experiment: str) -> list[str]:
    """Return a line on all sweeps of an experiment if there are several."""
    count = len(store.sweeps(experiment))
    if count < 2:
        return []
    points = len(points_of(store.experiment(experiment)))
    return [
        f"    {experiment} now has {count} sweeps, {points} points; `python -m store sweeps {experiment}` lists them"
    ]


def reasons(points: pd.DataFrame) -> list[str]:
    """Return why points are not `ok`: each reason with its axis values."""
    varying = [axis for axis in axes_of(points) if len(points[axis].drop_duplicates()) > 1]
    others = points[points["status"] != "ok"].groupby(["status", "reason"], sort=False)
    return [
        f"    {status} ({len(group)}): {reason}{_coordinates(group[varying])}" for (status, reason), group in others
    ]


def _coordinates(table: pd.DataFrame) -> str:
    """Return the values of axes in brackets.

    They are written as `a=1,2 b=3` if these are all combinations, and else point by point.
    """
    axes = list(map(str, table))
    values = {axis: list(table[axis].drop_duplicates()) for axis in axes}
    is_grid = prod(map(len, values.values())) == len(table)
    listed = [values] if is_grid else [{axis: [row[axis]] for axis in axes} for _, row in table.iterrows()]
    texts = [" ".join(filter(None, (_text(axis, row[axis]) for axis in axes))) for row in listed]
    text = "; ".join(first_few(texts, MOST_POINTS))
    return f" [{text}]" if text else ""


def _text(axis: str, values: Sequence[Any]) -> str:
    """Return an axis with its values; empty if it does not apply."""
    known = [shown(value) for value in values if not pd.isna(value)]
    more = ["..."] if len(known) > MOST_VALUES else []
    return f"{axis}={','.join([*known[:MOST_VALUES], *more])}" if known else ""
