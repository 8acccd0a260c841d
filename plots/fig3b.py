"""Fig. 3b: JFFC's mean response time over load: simulation, Theorem 4's bounds and the exact value."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import curve, new_figure, over_draws

CURVES = (
    ("upper bound", "theorem4", "response_upper_s"),
    ("simulation", "simulation", "response_mean_s"),
    ("exact", "exact", "response_mean_s"),
    ("lower bound", "theorem4", "response_lower_s"),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    figure, (axes,) = new_figure()
    for label, evaluator, metric in CURVES:
        chosen = rows[(rows["evaluator"] == evaluator) & (rows["metric"] == metric)]
        curve(axes, label, over_draws(chosen, "demand.load", draws))
    axes.set(xlabel="load λ/ν", ylabel="mean response time (s)", xlim=(0, 1))
    axes.legend()
    return figure
