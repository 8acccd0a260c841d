"""Summary of an experiment in one line, and the reasons for points without a result."""

from collections.abc import Sequence

import pandas as pd

from store.disk.outcome import NOTHING_VARIES


def summary_line(experiment: str, fixed: Sequence[str], points: pd.DataFrame) -> str:
    """Return a line with fixed keys, points by status, and seconds of work.

    `fixed` are the keys that the command line set; `points` is a table as `load_points` returns it.
    """
    counts = ", ".join(f"{count} {status}" for status, count in points["status"].value_counts().items())
    fixed_points = int((~points["varies"]).sum())
    note = f"; {NOTHING_VARIES} in {fixed_points}" if fixed_points else ""
    title = f"{experiment} ({', '.join(fixed)})" if fixed else experiment
    return f"{title:22} {len(points):4} points: {counts}{note}; {points['duration_s'].sum():.1f} s of work"


def reasons(points: pd.DataFrame) -> list[str]:
    """Return why points have another status than `ok`, each reason once."""
    others = points[points["status"] != "ok"].groupby(["status", "reason"], sort=False)
    return [f"    {status} ({len(group)}): {reason}" for (status, reason), group in others]
