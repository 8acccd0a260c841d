"""Precision of an experiment's means."""

import pandas as pd

from store.tables.statistics import complete_means, shown

METRIC = "response_mean_s"
WIDE = 0.05


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
