"""Precision of an experiment's means."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from store.tables.statistics import complete_means, intervals_over_draws, shown
from system.words import first_few

METRIC = "response_mean_s"
WIDE = 0.05
MOST_NAMED = 4  # points that a line names


def reached_precision(rows: pd.DataFrame, axes: Sequence[str], sweep: Mapping[str, Any]) -> list[str]:
    """Return a line on the means that reach their target.

    A mean over the only draw that there is counts as exact. There is no line for a sweep without a target.
    """
    target = sweep.get("precision")
    if target is None or rows.empty:
        return []
    measured = rows[rows["metric"].isin(target["metrics"]) & (rows["status"] == "ok")]
    if measured.empty:
        return [f"    precision: no point has one of {', '.join(target['metrics'])}"]
    means = intervals_over_draws(measured, ["point", *axes, "metric", "at"])
    means["relative"] = (means["half_width"] / means["mean"].abs()).where(means["draws"] > 1, 0.0)
    wide = means[means["relative"] > target["half_width"]].sort_values("relative", ascending=False)
    reached = f"{len(means) - len(wide)} of {len(means)} means are within {target['half_width']:.2%}"
    line = f"    precision: {reached}, with {means['draws'].min()} to {means['draws'].max()} draws"
    return [line + (f"; not within it: {_listed(wide, axes)}" if len(wide) else "")]


def _listed(means: pd.DataFrame, axes: Sequence[str]) -> str:
    """Return the first means in words, with their relative half-widths."""
    words = [
        f"{' '.join(f'{axis}={shown(row[axis])}' for axis in axes)} {row['metric']} (±{row['relative']:.2%})"
        for row in means.to_dict("records")
    ]
    return "; ".join(first_few(words, MOST_NAMED))


def widest_interval(rows: pd.DataFrame, axes: list[str]) -> list[str]:
    """Return a line on the relative half-widths of the mean response times.

    It shows the largest one with its point, and how many are above 5 %. Only means over all draws of their point count;
    there is no line if there is no such mean.
    """
    means = (
        complete_means(rows[rows["metric"] == METRIC], ["point", *axes]) if axes and not rows.empty else pd.DataFrame()
    )
    if means.empty:
        return []
    means["relative"] = means["half_width"] / means["mean"]
    known = means.dropna(subset="relative")
    wide = f"{(known['relative'] > WIDE).sum()} of {len(known)} points above {WIDE:.0%}"
    return [
        f"    {METRIC}: the 95 % half-widths are at most {row['relative']:.1%} of their means ({wide}), at "
        + ", ".join(f"{axis}={shown(row[axis])}" for axis in axes if pd.notna(row[axis]))
        for row in known.nlargest(1, "relative").to_dict("records")
    ]
