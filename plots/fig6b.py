"""Fig. 6b: the c that each measure chooses, over load."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import by_constants, curve, legend_below, new_figure, over_draws

CURVES = (
    ("upper bound", "theorem4_upper"),
    ("simulation", "simulated_mean"),
    ("exact", "exact_mean"),
    ("lower bound", "theorem4_lower"),
    ("surrogate", "surrogate"),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A measure is shown up to the load at which some draw has no c that it could choose."""
    chosen = rows[rows["metric"] == "reserved_capacity"]
    figure, panels = new_figure(chosen["constants"].nunique())
    for axes, shown, title in by_constants(panels, chosen):
        for label, tuning in CURVES:
            curve(axes, label, over_draws(shown[shown["tuning"] == tuning], "demand.load", draws))
        axes.set(xlabel="load λ/ν (ν at c = 7)", ylabel="chosen c (jobs)", xlim=(0, 1), title=title)
        axes.set_ylim(bottom=0)
    legend_below(figure, panels[0], len(CURVES))
    return figure
