"""The replay of a trace: CDFs of response, waiting and service times, as means over draws of the cluster."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.curves import axis_words, distinguishing_axes
from plots.drawing.style import COLOURS, new_figure, over_draws
from store.tables.labels import Labels

TREATMENT = "workload.over_length"
TIMES = (("response", "-"), ("service", "--"), ("waiting", ":"))


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each treatment of over-long requests.

    If points differ in further settings, there is a panel for each of these.
    """
    others = distinguishing_axes(rows, [TREATMENT])
    parts = list(rows.groupby([TREATMENT, *others], sort=False, dropna=False))
    figure, panels = new_figure(len(parts))
    for axes, ((treatment, *values), shown) in zip(panels, parts, strict=True):
        words = [f", {axis_words(axis, str(value), labels)}" for axis, value in zip(others, values, strict=True)]
        for (name, linestyle), colour in zip(TIMES, COLOURS, strict=False):
            quantiles = over_draws(shown[shown["metric"] == f"{name}_quantile_s"], "at")
            mean = shown.loc[shown["metric"] == f"{name}_mean_s", "value"].mean()
            p95_s, p99_s = quantiles["mean"].loc[[0.95, 0.99]]
            label = f"{name}: mean {mean:.2f}, P95 {p95_s:.2f}, P99 {p99_s:.2f} s"
            axes.plot(quantiles["mean"], quantiles.index, color=colour, linestyle=linestyle, label=label)
        load = shown.loc[shown["metric"] == "load", "value"].mean()
        share = shown.loc[shown["metric"] == "over_length_share", "value"].mean()
        axes.set(
            xlabel="time (s)",
            ylabel="share of the requests",
            title=f"{share:.0%} over-long: {treatment}, load {load:.2f}{''.join(words)}",
        )
        axes.set_xscale("symlog", linthresh=0.1)
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.24))
    return figure
