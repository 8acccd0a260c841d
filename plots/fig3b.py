"""Fig. 3b: JFFC's mean response time over load: simulation, Theorem 4's bounds and the exact value."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import by_constants, curve, legend_below, new_figure, over_draws

CURVES = (
    ("upper bound", "theorem4", "response_upper_s"),
    ("simulation", "simulation", "response_mean_s"),
    ("exact", "exact", "response_mean_s"),
    ("lower bound", "theorem4", "response_lower_s"),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """One panel for each set of constants."""
    figure, panels = new_figure(rows["constants"].nunique())
    for axes, shown, title in by_constants(panels, rows):
        for label, evaluator, metric in CURVES:
            chosen = shown[(shown["evaluator"] == evaluator) & (shown["metric"] == metric)]
            curve(axes, label, over_draws(chosen, "demand.load", draws))
        axes.set(xlabel="load λ/ν", ylabel="mean response time (s)", xlim=(0, 1), title=title)
    legend_below(figure, panels[0], len(CURVES))
    return figure
