"""How sure the means of an experiment are."""

import pandas as pd

from store.tables.statistics import intervals_over_draws

METRIC = "response_mean_s"
WIDE = 0.05


def widest_interval(rows: pd.DataFrame, axes: list[str], draws: int) -> list[str]:
    """A line on the half-widths of the mean response times, relative to them: the largest, and how many are above 5 %.

    Of means that are shown, those over all draws of the experiment; no line if none is known.
    """
    means = intervals_over_draws(rows[rows["metric"] == METRIC], axes) if axes and not rows.empty else pd.DataFrame()
    if means.empty:
        return []
    means["relative"] = (means["half_width"] / means["mean"]).where(means["draws"] == draws)
    known = means.dropna(subset="relative")
    wide = f"{(known['relative'] > WIDE).sum()} of {len(known)} above {WIDE:.0%}"
    return [
        f"    {METRIC}: half-widths of at most {row['relative']:.1%} ({wide}), at "
        + ", ".join(f"{axis}={row[axis]}" for axis in axes)
        for row in known.nlargest(1, "relative").to_dict("records")
    ]
