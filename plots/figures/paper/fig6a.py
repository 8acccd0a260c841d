"""Fig. 6a: mean response time by each measure for every c, with a star at the least value."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of, mean_responses
from plots.drawing.style import MOST_COLUMNS, by_constants, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels

CAPACITY = "tuning.capacity"
SURROGATE = "surrogate_response_s"
ZOOM = 15


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw all c above and small c below.

    The panels above show every c that all draws can have. The panels below leave out surrogates, which are so large
    that they dwarf the rest.
    """
    shown_rows, curves = curves_of(mean_responses(rows), labels, ["constants", CAPACITY])
    small = [line for line in curves if SURROGATE not in line.rest]
    columns = shown_rows["constants"].nunique()
    figure, panels = new_figure(columns, lines=2)
    for axes, shown, title in by_constants(panels[:columns], shown_rows, labels):
        _draw_curves(axes, shown, draws, curves, np.inf)
        axes.set(title=title, yscale="log")
    for axes, shown, title in by_constants(panels[columns:], shown_rows, labels):
        _draw_curves(axes, shown, draws, small, ZOOM)
        axes.set(title=f"{title}, c up to {ZOOM}")
    for axes in panels:
        axes.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)")
    panels[0].plot([], [], linestyle="none", marker="*", color="grey", markersize=9, label="least value")
    legend_below(figure, panels, min(len(curves) + 1, MOST_COLUMNS))
    return figure


def _draw_curves(axes: Axes, rows: pd.DataFrame, draws: int, curves: Iterable[Curve], largest: float) -> None:
    """Draw the curves up to the largest c.

    A curve has no star if its least value lies beyond.
    """
    for label, look, *_ in curves:
        statistics = over_draws(rows[rows["curve"] == label], CAPACITY)
        curve(axes, look, statistics[statistics.index <= largest], label)
        best = statistics["mean"].nsmallest(1)
        best = best[best.index <= largest]
        star = {"color": look["color"], "markersize": 12, "markeredgecolor": "white"}
        axes.plot(best.index, best, marker="*", linestyle="none", zorder=6, **star)
