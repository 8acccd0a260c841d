"""Paired differences: two points on the same clusters and jobs, paired by draw.

The replications of a draw are averaged, and the interval of the mean difference is Student's over draws. Two points of
which one lacks a draw are not compared over the others: there is a reason instead.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from store.tables.filtered import require_known
from store.tables.reading import Results
from store.tables.statistics import mean_interval
from system.checks import require


class Measure(NamedTuple):
    """What is compared: a metric, at one quantile or coordinate if it has these."""

    metric: str = "response_mean_s"
    at: float | None = None

    def __str__(self) -> str:
        return self.metric if self.at is None else f"{self.metric} at {self.at:g}"


class Side(NamedTuple):
    """A point's values by draw, or why there are none to compare."""

    by_draw: pd.Series
    reason: str = ""


class Paired(NamedTuple):
    """B beside A over their draws; only a reason where there is no comparison."""

    mean_a: float = np.nan
    mean_b: float = np.nan
    difference: float = np.nan  # mean of B - A
    half_width: float = np.nan  # of its 95 % interval; nan for a single pair
    ratio: float = np.nan  # mean of B over mean of A
    pairs: int = 0
    reason: str = ""


def no_side(reason: str) -> Side:
    """A point that cannot be compared."""
    return Side(pd.Series(dtype=float), reason)


def sides(results: Results, measure: Measure) -> dict[str, Side]:
    """The side of each point; that of one which lacks a draw of the metric is a reason."""
    rows, points = results
    asked = rows["metric"].eq(measure.metric) & (measure.at is None or np.isclose(rows["at"], measure.at))
    values = rows[asked].dropna(subset="value").groupby(["point", "draw"])["value"].mean()
    by_point = {point: of_point.droplevel("point") for point, of_point in values.groupby(level="point")}
    draws = rows.groupby("point")["draw"].unique()
    found = {}
    for point, status, reason in points[["point", "status", "reason"]].itertuples(index=False):
        if status != "ok":
            found[point] = no_side(f"{status}: {reason}")
        elif point not in by_point:
            found[point] = no_side(f"has no {measure}")
        else:
            lacking = sorted(set(draws[point]) - set(by_point[point].index))
            found[point] = (
                no_side(f"has no {measure} in draws {_listed(lacking)}") if lacking else Side(by_point[point])
            )
    return found


def require_measure(rows: pd.DataFrame, measure: Measure) -> None:
    """The metric must be among the rows, if there are any, and at one place or at the one that is asked for."""
    if rows.empty:
        return
    require_known(rows["metric"].unique(), metric=measure.metric)
    places = np.unique(rows.loc[rows["metric"] == measure.metric, "at"])
    listed = f"choose one of {_listed(places)}" if np.isfinite(places).any() else "leave it out"
    if measure.at is None:
        require(len(places) == 1, "at", "none", f"{measure.metric} is there at several places; {listed}")
    else:
        require(bool(np.isclose(places, measure.at).any()), "at", measure.at, f"no {measure.metric} there; {listed}")


def paired(a: Side, b: Side, names: tuple[str, str]) -> Paired:
    """B - A over draws; the names say in a reason whose it is."""
    reasons = [f"{name}: {side.reason}" for name, side in zip(names, (a, b), strict=True) if side.reason]
    if not reasons and set(a.by_draw.index) != set(b.by_draw.index):
        reasons = [f"{names[0]} has {len(a.by_draw)} draws, {names[1]} has {len(b.by_draw)}"]
    if reasons:
        return Paired(reason="; ".join(reasons))
    mean_a, mean_b = float(a.by_draw.mean()), float(b.by_draw.mean())
    interval = mean_interval(b.by_draw - a.by_draw)
    ratio = mean_b / mean_a if mean_a else np.nan
    return Paired(mean_a, mean_b, interval.mean, interval.half_width, ratio, interval.size)


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
