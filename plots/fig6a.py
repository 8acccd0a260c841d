"""Fig. 6a: what each measure says of every c; a star marks its least value."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import LOOKS, curve, new_figure, over_draws

CURVES = (
    ("surrogate", "surrogate", "surrogate_response_s"),
    ("upper bound", "theorem4", "response_upper_s"),
    ("simulation", "simulation", "response_mean_s"),
    ("exact", "exact", "response_mean_s"),
    ("lower bound", "theorem4", "response_lower_s"),
)


ZOOM = 15


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """Every c for which all draws are feasible, and the small ones again without the surrogate, which dwarfs them."""
    figure, (every, small) = new_figure(2)
    for label, evaluator, metric in CURVES:
        statistics = over_draws(
            rows[(rows["evaluator"] == evaluator) & (rows["metric"] == metric)], "tuning.capacity", draws
        )
        _curve_with_star(every, label, statistics)
        if label != "surrogate":
            _curve_with_star(small, label, statistics[statistics.index <= ZOOM])
    every.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)", yscale="log")
    small.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)")
    every.plot([], [], linestyle="none", marker="*", color="grey", markersize=9, label="least value")
    figure.legend(*every.get_legend_handles_labels(), loc="outside right center")
    return figure


def _curve_with_star(axes: Axes, label: str, statistics: pd.DataFrame) -> None:
    curve(axes, label, statistics)
    best = statistics["mean"].nsmallest(1)
    look = {"color": LOOKS[label]["color"], "markersize": 12, "markeredgecolor": "white"}
    axes.plot(best.index, best, marker="*", linestyle="none", zorder=6, **look)
