"""Fig. 3b: JFFC's mean response time over load, by simulation, by Theorem 4's bounds and exactly."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.curves import curves_of, mean_responses
from plots.drawing.style import MOST_COLUMNS, by_constants, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels

LOAD = "demand.load"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each set of constants.

    It has a curve for each evaluator and metric.
    """
    drawn = curves_of(mean_responses(rows), labels, ["constants", LOAD])
    figure, panels = new_figure(drawn.rows["constants"].nunique())
    for axes, shown, title in by_constants(panels, drawn.rows, labels):
        for label, look, *_ in drawn.curves:
            curve(axes, look, over_draws(shown[shown["curve"] == label], LOAD), label)
        axes.set(xlabel="load λ/ν", ylabel="mean response time (s)", xlim=(0, 1), title=title)
    legend_below(figure, panels, min(len(drawn.curves), MOST_COLUMNS))
    return figure
