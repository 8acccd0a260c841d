"""How sure the means of an experiment are."""

import pandas as pd

from store.statistics import intervals_over_draws

METRIC = "response_mean_s"


def widest_interval(rows: pd.DataFrame, axes: list[str]) -> list[str]:
    """A line that says the largest half-width of a mean response time, relative to it, and where; none if not known.

    Of means that are shown, those over all draws of the experiment.
    """
    means = intervals_over_draws(rows[rows["metric"] == METRIC], axes) if axes and not rows.empty else pd.DataFrame()
    if means.empty:
        return []
    means["relative"] = (means["half_width"] / means["mean"]).where(means["draws"] == rows["draw"].nunique())
    widest = means.dropna(subset="relative").nlargest(1, "relative")
    return [
        f"    {METRIC}: half-widths of at most {row['relative']:.1%}, at {', '.join(f'{a}={row[a]}' for a in axes)}"
        for row in widest.to_dict("records")
    ]
