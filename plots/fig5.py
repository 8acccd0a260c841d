"""Fig. 5: communication time with a server, of the first token over the input length and of each further token."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import CONSTANTS_TITLES, curve, legend_below, new_figure, over_draws

PANELS = (
    ("first_token_communication_s", "input tokens", "for the first token"),
    ("further_token_communication_s", "output tokens", "for each further token"),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """Means over the servers of a cluster; intervals over clusters."""
    figure, panels = new_figure(len(PANELS))
    for axes, (metric, xlabel, title) in zip(panels, PANELS, strict=True):
        for name, shown in rows[rows["metric"] == metric].groupby("constants", sort=False):
            statistics = over_draws(shown, "at", draws)
            curve(axes, str(name), statistics, CONSTANTS_TITLES[str(name)])
        axes.set(xlabel=xlabel, ylabel="communication time (s)", title=title)
        axes.set_ylim(bottom=0)
    note = "model: one round trip and an overhead a message, no term in the input length; not measured here"
    legend_below(figure, panels[0], columns=2, note=note)
    return figure
