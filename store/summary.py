"""What came of an experiment, in a line for people."""

from store.load import load_points
from store.store import Store


def summary(store: Store, experiment: str) -> str:
    """How many points there are, how many of each status, and the seconds of work in them."""
    points = load_points(experiment, store.folder)
    counts = ", ".join(f"{count} {status}" for status, count in points["status"].value_counts().items())
    return f"{experiment:22} {len(points):4} points: {counts}; {points['duration_s'].sum():.1f} s of work"


def reasons(store: Store, experiment: str) -> list[str]:
    """Why points have another status than `ok`, each reason once."""
    points = load_points(experiment, store.folder)
    others = points[points["status"] != "ok"].groupby(["status", "reason"], sort=False)
    return [f"    {status} ({len(group)}): {reason}" for (status, reason), group in others]


def failure_count(store: Store, experiment: str) -> int:
    """Points that failed: not results, and tried again by the next sweep."""
    return int((load_points(experiment, store.folder)["status"] == "failed").sum())
