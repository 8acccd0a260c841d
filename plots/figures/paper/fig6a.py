"""Fig. 6a: mean response time by each measure for every c, with a star at the least value."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of, mean_responses
from plots.drawing.panels import panels_over
from plots.drawing.style import MOST_COLUMNS, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

CAPACITY = "tuning.capacity"
SURROGATE = "surrogate_response_s"
ZOOM = 15


def draw(results: Results, labels: Labels) -> Figure:
    """Draw all c above and small c below.

    The panels above show every c that all draws can have. The panels below leave out surrogates, which are so large
    that they dwarf the rest.
    """
    rows, curves = curves_of(mean_responses(results.rows), labels, ["constants", CAPACITY])
    small = [line for line in curves if SURROGATE not in line.rest]
    panels = panels_over(Results(rows, results.points), ["constants"])
    figure, frames = new_figure(len(panels), lines=2)
    for above, below, panel in zip(frames[: len(panels)], frames[len(panels) :], panels, strict=True):
        _draw_curves(above, panel.rows, curves, np.inf)
        above.set(title=panel.title(labels), yscale="log")
        _draw_curves(below, panel.rows, small, ZOOM)
        below.set(title=", ".join(filter(None, [panel.title(labels), f"c up to {ZOOM}"])))
    for axes in frames:
        axes.set(xlabel="reserved capacity c (jobs)", ylabel="mean response time (s)")
    frames[0].plot([], [], linestyle="none", marker="*", color="grey", markersize=9, label="least value")
    legend_below(figure, frames, min(len(curves) + 1, MOST_COLUMNS))
    return figure


def _draw_curves(axes: Axes, rows: pd.DataFrame, curves: Iterable[Curve], largest: float) -> None:
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
