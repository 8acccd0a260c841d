"""Summary of an experiment in one line, and the reasons for points without a result."""

from collections.abc import Sequence

import pandas as pd

from store.disk.store import Store
from store.tables.reading import points_of


def summary_line(experiment: str, fixed: Sequence[str], points: pd.DataFrame) -> str:
    """Return a line with fixed keys, points by status, and seconds of work.

    `fixed` are the keys that the command line set; `points` is a table as `load_points` returns it.
    """
    counts = ", ".join(f"{count} {status}" for status, count in points["status"].value_counts().items())
    title = f"{experiment} ({', '.join(fixed)})" if fixed else experiment
    return f"{title:22} {len(points):4} points: {counts}; {points['duration_s'].sum():.1f} s of work"


def history_line(store: Store, experiment: str) -> list[str]:
    """Return a line on all sweeps of an experiment if there are several."""
    count, points = len(store.sweeps(experiment)), len(points_of(store.experiment(experiment)))
    note = f"    {experiment} now has {count} sweeps, {points} points; `python -m store sweeps {experiment}` lists them"
    return [note] if count > 1 else []


def reasons(points: pd.DataFrame) -> list[str]:
    """Return why points have another status than `ok`, each reason once."""
    others = points[points["status"] != "ok"].groupby(["status", "reason"], sort=False)
    return [f"    {status} ({len(group)}): {reason}" for (status, reason), group in others]
