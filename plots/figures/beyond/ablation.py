"""Ablation of fig. 8: how much faster the proposed scheme is than each variant, under every open choice."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import NONE, axis_words, distinguishing_axes
from plots.drawing.style import SCHEMES, in_order, new_figure
from store.tables.labels import Labels
from store.tables.statistics import mean_interval

SETTING = ["constants", "network", "cluster.fast_servers"]
STRONG = 35  # per cent from which the colour is dark
SIZE, REFERENCE = "cluster.server_count", "proposed"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a table for each size of the cluster.

    Rows are settings, columns are variants, and cells are reductions of the mean response time in per cent.
    """
    rows = rows[rows["metric"] == "response_mean_s"]
    setting = [*SETTING, *distinguishing_axes(rows, [SIZE, "algorithm", *SETTING])]
    sizes, columns = rows[SIZE].unique(), [name for name in in_order(rows["algorithm"], SCHEMES) if name != REFERENCE]
    figure, panels = new_figure(1, len(sizes), size_in=(11, 3.6 * len(sizes)))
    for axes, size in zip(panels, sizes, strict=True):
        _table(axes, _reductions(rows[rows[SIZE] == size], setting, columns), draws, labels)
        name = labels("algorithm", REFERENCE)
        axes.set_title(f"J = {size}: by how much the mean response time (s) of {name} is below each variant's (%)")
    figure.supxlabel(
        f"paired over {draws} clusters, ± 95 % interval; n/{draws}: clusters without a mean", fontsize="small"
    )
    return figure


def _reductions(rows: pd.DataFrame, setting: list[str], variants: list[str]) -> pd.DataFrame:
    """Return 1 - ours/theirs by setting, draw and variant.

    There is a row for each setting and draw, and a column for each variant. `ours` and `theirs` are the mean response
    times of the proposed scheme and of the variant in the same draw.
    """
    rows = rows.fillna(dict.fromkeys(setting, NONE))  # a pivot would drop rows with nan
    by_draw = rows.pivot_table(index=[*setting, "draw"], columns="algorithm", values="value", sort=False)
    return 1 - by_draw.reindex(columns=variants).rdiv(by_draw[REFERENCE], axis=0)


def _table(axes: Axes, gains: pd.DataFrame, draws: int, labels: Labels) -> None:
    """Draw the means as coloured cells.

    A cell without a mean says on how many clusters there is no steady state or no path.
    """
    names = [str(name) for name in gains.index.names[:-1]]
    settings = gains.groupby(level=names, sort=False)
    means = 100 * settings.mean().where(settings.count() == draws)
    bar = {"label": "reduction (%)", "shrink": 0.8}
    sns.heatmap(means, cmap="vlag_r", center=0, vmin=-50, vmax=50, ax=axes, cbar_kws=bar, linewidths=0.5)
    for line, (_, of_setting) in enumerate(settings):
        for column, name in enumerate(gains.columns):
            colour = "white" if abs(means.to_numpy()[line, column]) > STRONG else "black"
            cell = _cell(of_setting[name].dropna(), draws)
            axes.text(column + 0.5, line + 0.5, cell, ha="center", va="center", fontsize="small", color=colour)
    axes.set_xticklabels([labels("algorithm", name) for name in means.columns], rotation=15, ha="right")
    axes.set_yticklabels(
        [_words(dict(zip(names, setting, strict=True)), labels) for setting in means.index], rotation=0
    )
    axes.set(xlabel="", ylabel="")
    axes.grid(visible=False)


def _words(setting: dict[str, str], labels: Labels) -> str:
    """Return a setting in words, with the constants first.

    The constants have a line of their own.
    """
    first, network, fast_servers = (labels(axis, setting[axis]) for axis in SETTING)
    others = [axis_words(axis, setting[axis], labels) for axis in setting if axis not in SETTING]
    return f"{first},\n" + ", ".join([network, f"fast servers {fast_servers}", *others])


def _cell(gains: pd.Series, draws: int) -> str:
    """Return mean and half-width in per cent.

    If draws lack a value, return how many.
    """
    if len(gains) < draws:
        return f"{draws - len(gains)}/{draws}"
    mean, half_width, _ = mean_interval(100 * gains)
    return f"{mean:.1f}" if np.isnan(half_width) else f"{mean:.1f} ± {half_width:.1f}"
