"""Fig. 1: job servers that GBP-CR and random placements reserve for the target load."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import LOOKS, by_constants, legend_below, new_figure
from store.statistics import mean_interval

SETTING = ["cluster.server_count", "demand.per_s"]


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """One line of panels for each share of fast servers, one column for each set of constants."""
    servers = rows[rows["metric"] == "job_servers"]
    shares, columns = servers["cluster.fast_share"].unique(), servers["constants"].nunique()
    figure, panels = new_figure(columns, len(shares))
    for line, share in enumerate(shares):
        chosen = servers[servers["cluster.fast_share"] == share]
        kind = "homogeneous" if float(share) == 0 else "heterogeneous"
        for axes, shown, title in by_constants(panels[line * columns : (line + 1) * columns], chosen):
            _draw_panel(axes, shown, draws)
            axes.set(title=f"{kind} (η = {share}), {title}", ylabel="job servers c·K(c) (jobs)")
    legend_below(figure, panels[0], 1)
    return figure


def _draw_panel(axes: Axes, shown: pd.DataFrame, draws: int) -> None:
    """A setting is left out where some draw has no placements that reach the rate."""
    settings = shown[SETTING].drop_duplicates().to_numpy()
    for x, (server_count, rate) in enumerate(settings):
        here = shown[(shown["cluster.server_count"] == server_count) & (shown["demand.per_s"] == rate)]
        label = x == 0
        of = {name: found for name, found in here.groupby("placement") if found["draw"].nunique() == draws}
        if "random_feasible" in of:
            _draw_box(axes, x - 0.15, of["random_feasible"]["value"].to_numpy(), label)
        if "gbp_cr" in of:
            _draw_marker(axes, x + 0.2, of["gbp_cr"]["value"].to_numpy(), label)
    names = [f"J = {server_count}\nλ = {rate}/s" for server_count, rate in settings]
    axes.set_xticks(range(len(settings)), names)
    axes.set(xlabel="servers and arrival rate", xlim=(-0.6, len(settings) - 0.4))
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")


def _draw_box(axes: Axes, x: float, values: np.ndarray, labelled: bool) -> None:
    """Quartiles as a box, least and largest value as whiskers, the mean as a circle, as c K(c) takes few values."""
    drawn = axes.boxplot(
        [values],
        positions=[x],
        widths=0.3,
        whis=(0, 100),
        patch_artist=True,
        boxprops={"facecolor": "0.85"},
        medianprops={"color": "black", "linewidth": 1.6},
        showmeans=True,
        meanprops={"marker": "o", "markersize": 6, "markerfacecolor": "white", "markeredgecolor": "black"},
    )
    if labelled:
        drawn["boxes"][0].set_label("random placements of all draws: median, quartiles, least and most, mean (circle)")


def _draw_marker(axes: Axes, x: float, values: np.ndarray, labelled: bool) -> None:
    mean, half_width, _ = mean_interval(values)
    axes.errorbar(
        x,
        mean,
        yerr=np.nan_to_num(half_width),
        label="GBP-CR: mean over draws and 95 % interval" if labelled else None,
        capsize=3,
        linestyle="none",
        marker="D",
        markersize=6,
        color=LOOKS["proposed"]["color"],
    )
