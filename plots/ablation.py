"""Ablation of fig. 8: by how much the proposed scheme is faster than each variant, under every choice that was open."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import CONSTANTS_TITLES, in_order, new_figure, scheme_name
from store.statistics import mean_interval

SETTING = ["constants", "network", "cluster.fast_servers"]
STRONG = 35  # per cent, from where the colour is dark
ORCHESTRATORS = {"ripe_published_code": "central orchestrator"}


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A table for each size of the cluster: settings by variants, reductions of the mean response in per cent."""
    rows = rows[rows["metric"] == "response_mean_s"]
    sizes, columns = rows["cluster.server_count"].unique(), in_order(rows["algorithm"])[1:]
    figure, panels = new_figure(1, len(sizes))
    figure.set_size_inches(11, 3.6 * len(sizes))
    for axes, size in zip(panels, sizes, strict=True):
        _table(axes, _reductions(rows[rows["cluster.server_count"] == size], columns), draws)
        axes.set_title(f"J = {size}: by how much the mean response time (s) of Proposed is below each variant's (%)")
    figure.supxlabel(
        f"paired over {draws} clusters, ± 95 % interval; n/{draws}: clusters without a mean", fontsize="small"
    )
    return figure


def _reductions(rows: pd.DataFrame, variants: list[str]) -> pd.DataFrame:
    """1 - ours/theirs of each draw: a line for each setting and draw, a column for each variant."""
    by_draw = rows.pivot_table(index=[*SETTING, "draw"], columns="algorithm", values="value", sort=False)
    return 1 - by_draw.reindex(columns=variants).rdiv(by_draw["proposed"], axis=0)


def _table(axes: Axes, gains: pd.DataFrame, draws: int) -> None:
    """Colours for the means; a cell without one says on how many clusters there is no steady state or no path."""
    settings = gains.groupby(level=SETTING, sort=False)
    means = 100 * settings.mean().where(settings.count() == draws)
    bar = {"label": "reduction (%)", "shrink": 0.8}
    sns.heatmap(means, cmap="vlag_r", center=0, vmin=-50, vmax=50, ax=axes, cbar_kws=bar, linewidths=0.5)
    for line, (_, of_setting) in enumerate(settings):
        for column, name in enumerate(gains.columns):
            colour = "white" if abs(means.to_numpy()[line, column]) > STRONG else "black"
            cell = _cell(of_setting[name].dropna(), draws)
            axes.text(column + 0.5, line + 0.5, cell, ha="center", va="center", fontsize="small", color=colour)
    axes.set_xticklabels([scheme_name(name) for name in means.columns], rotation=15, ha="right")
    axes.set_yticklabels([_setting(*setting) for setting in means.index], rotation=0)
    axes.set(xlabel="", ylabel="")
    axes.grid(visible=False)


def _setting(constants: str, network: str, fast_servers: str) -> str:
    orchestrator = ORCHESTRATORS.get(network, "random orchestrator")
    return f"{CONSTANTS_TITLES[constants]},\n{orchestrator}, fast servers {fast_servers}"


def _cell(gains: pd.Series, draws: int) -> str:
    """Mean and half-width in per cent, or how many draws lack a value."""
    if len(gains) < draws:
        return f"{draws - len(gains)}/{draws}"
    mean, half_width, _ = mean_interval(100 * gains)
    return f"{mean:.1f}" if np.isnan(half_width) else f"{mean:.1f} ± {half_width:.1f}"
