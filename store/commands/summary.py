"""What came of an experiment, in a line for people."""

from collections.abc import Sequence

import pandas as pd


def summary_line(experiment: str, fixed: Sequence[str], points: pd.DataFrame) -> str:
    """What the command line set, how many points there are of each status, and the seconds of work (`load_points`)."""
    counts = ", ".join(f"{count} {status}" for status, count in points["status"].value_counts().items())
    title = f"{experiment} ({', '.join(fixed)})" if fixed else experiment
    return f"{title:22} {len(points):4} points: {counts}; {points['duration_s'].sum():.1f} s of work"


def reasons(points: pd.DataFrame) -> list[str]:
    """Why points have another status than `ok`, each reason once."""
    others = points[points["status"] != "ok"].groupby(["status", "reason"], sort=False)
    return [f"    {status} ({len(group)}): {reason}" for (status, reason), group in others]
