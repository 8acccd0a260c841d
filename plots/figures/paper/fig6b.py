"""Fig. 6b: the c that each measure chooses, over load."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.curves import curves_of
from plots.drawing.style import MOST_COLUMNS, by_constants, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels

LOAD = "demand.load"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each set of constants.

    It has a curve for each measure. A curve ends at the load from which on some draw has no c to choose.
    """
    drawn = curves_of(rows[rows["metric"] == "reserved_capacity"], labels, ["constants", LOAD], "tuning")
    figure, panels = new_figure(drawn.rows["constants"].nunique())
    for axes, shown, title in by_constants(panels, drawn.rows, labels):
        for label, look, *_ in drawn.curves:
            curve(axes, look, over_draws(shown[shown["curve"] == label], LOAD), label)
        axes.set(xlabel="load λ/ν (ν at c = 7)", ylabel="chosen c (jobs)", xlim=(0, 1), title=title)
        axes.set_ylim(bottom=0)
    legend_below(figure, panels, min(len(drawn.curves), MOST_COLUMNS))
    return figure
