"""What came of experiments, for people."""

import sys
from collections.abc import Sequence

import pandas as pd

from store.load import load_points
from store.store import Store


def print_summary(store: Store, experiments: Sequence[str]) -> int:
    """One line an experiment with counts and seconds, then every reason once; returns the number of failures."""
    failures = 0
    for name in experiments:
        points = load_points(name, store.folder)
        counts = points["status"].value_counts()
        listed = ", ".join(f"{count} {status}" for status, count in counts.items())
        _say(f"{name:24} {len(points):5} points: {listed}; {points['duration_s'].sum():.1f} s of work")
        _print_reasons(points)
        failures += int(counts.get("failed", 0))
    return failures


def _print_reasons(points: pd.DataFrame) -> None:
    unhappy = points[points["status"] != "ok"]
    for (status, reason), group in unhappy.groupby(["status", "reason"], sort=False):
        _say(f"    {status} ({len(group)}): {reason}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
