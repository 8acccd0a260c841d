"""Precision of an experiment's means."""

import pandas as pd

from store.tables.statistics import intervals_over_draws

METRIC = "response_mean_s"
WIDE = 0.05


def widest_interval(rows: pd.DataFrame, axes: list[str], draws: int) -> list[str]:
    """Return a line on the relative half-widths of the mean response times.

    It shows the largest one, and how many are above 5 %. Only means over all draws of the experiment count; there is no
    line if there is no such mean.
    """
    means = intervals_over_draws(rows[rows["metric"] == METRIC], axes) if axes and not rows.empty else pd.DataFrame()
    if means.empty:
        return []
    means["relative"] = (means["half_width"] / means["mean"]).where(means["draws"] == draws)
    known = means.dropna(subset="relative")
    wide = f"{(known['relative'] > WIDE).sum()} of {len(known)} above {WIDE:.0%}"
    return [
        f"    {METRIC}: half-widths of at most {row['relative']:.1%} ({wide}), at "
        + ", ".join(f"{axis}={row[axis]}" for axis in axes if not pd.isna(row[axis]))
        for row in known.nlargest(1, "relative").to_dict("records")
    ]
