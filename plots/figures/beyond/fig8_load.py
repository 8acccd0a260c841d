"""Fig. 8 over load: the same comparison on the paper's default cluster, from low load to almost full load."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.scheme_curves import NOTE, curves_of_schemes, draw_schemes
from plots.drawing.style import by_constants, legend_below, new_figure
from store.tables.labels import Labels

LOAD = "demand.load"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each set of constants."""
    drawn = curves_of_schemes(rows, labels, ["constants", LOAD])
    figure, panels = new_figure(drawn.rows["constants"].nunique())
    for axes, of_set, title in by_constants(panels, drawn.rows, labels):
        draw_schemes(axes, of_set, drawn.curves, LOAD, draws)
        axes.set(xlabel="load λ/ν (ν of Proposed at c = 7)", ylabel="mean response time (s)", title=title, xlim=(0, 1))
    legend_below(figure, panels, 3, NOTE.format(draws=draws))
    return figure
