"""Fig. 6a: what each measure says of every c; a star marks its least value."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import LOOKS, by_constants, curve, legend_below, new_figure, over_draws

Curves = tuple[tuple[str, str, str], ...]
CURVES: Curves = (
    ("surrogate", "surrogate", "surrogate_response_s"),
    ("upper bound", "theorem4", "response_upper_s"),
    ("simulation", "simulation", "response_mean_s"),
    ("exact", "exact", "response_mean_s"),
    ("lower bound", "theorem4", "response_lower_s"),
)
ZOOM = 15


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """Above every c for which all draws are feasible, below the small ones without the surrogate, which dwarfs them."""
    columns = rows["constants"].nunique()
    figure, panels = new_figure(columns, lines=2)
    for axes, shown, title in by_constants(panels[:columns], rows):
        _draw_curves(axes, shown, draws, CURVES, np.inf)
        axes.set(title=title, yscale="log")
    for axes, shown, title in by_constants(panels[columns:], rows):
        _draw_curves(axes, shown, draws, CURVES[1:], ZOOM)
        axes.set(title=f"{title}, c up to {ZOOM}")
    for axes in panels:
        axes.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)")
    panels[0].plot([], [], linestyle="none", marker="*", color="grey", markersize=9, label="least value")
    legend_below(figure, panels[0], len(CURVES) + 1)
    return figure


def _draw_curves(axes: Axes, rows: pd.DataFrame, draws: int, curves: Curves, largest: float) -> None:
    """The curves up to the largest c; one whose least value lies beyond has no star."""
    for label, evaluator, metric in curves:
        chosen = rows[(rows["evaluator"] == evaluator) & (rows["metric"] == metric)]
        statistics = over_draws(chosen, "tuning.capacity", draws)
        curve(axes, label, statistics[statistics.index <= largest])
        best = statistics["mean"].nsmallest(1)
        best = best[best.index <= largest]
        look = {"color": LOOKS[label]["color"], "markersize": 12, "markeredgecolor": "white"}
        axes.plot(best.index, best, marker="*", linestyle="none", zorder=6, **look)
