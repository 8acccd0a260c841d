"""Fig. 6a: what each measure says of every c; a star marks the c it chooses."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import LOOKS, curve, new_figure, over_draws

CURVES = (
    ("surrogate", "surrogate", "surrogate_response_s"),
    ("upper bound", "theorem4", "response_upper_s"),
    ("simulation", "simulation", "response_mean_s"),
    ("exact", "exact", "response_mean_s"),
    ("lower bound", "theorem4", "response_lower_s"),
)


def draw(rows: pd.DataFrame) -> Figure:
    """Only every c for which all draws are feasible is shown."""
    figure, (axes,) = new_figure()
    for label, evaluator, metric in CURVES:
        statistics = over_draws(rows[(rows["evaluator"] == evaluator) & (rows["metric"] == metric)], "tuning.capacity")
        curve(axes, label, statistics)
        best = statistics["mean"].nsmallest(1)
        star = {"color": LOOKS[label]["color"], "marker": "*", "markersize": 11, "markeredgecolor": "white"}
        axes.plot(best.index, best, zorder=5, linestyle="none", **star)
    axes.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)", yscale="log")
    axes.plot([], [], linestyle="none", marker="*", color="grey", markersize=9, label="chosen c")
    axes.legend(fontsize="x-small")
    return figure
