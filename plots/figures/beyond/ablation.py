"""Ablation of fig. 8: how much faster the proposed scheme is than each variant, under every open choice."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import axis_words, distinguishing_axes, texts
from plots.drawing.pairs import paired
from plots.drawing.panels import draws_in
from plots.drawing.style import new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import by_draw, complete_means, shown

SETTING = ["constants", "network", "cluster.fast_servers"]
STRONG = 35  # per cent from which the colour is dark
SIZE, REFERENCE = "cluster.server_count", "proposed"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a table for each size of the cluster.

    Rows are settings, columns are variants, and cells are reductions of the mean response time in per cent.
    """
    rows = results.rows[results.rows["metric"] == "response_mean_s"]
    setting = [*SETTING, *distinguishing_axes(rows, [SIZE, "algorithm", *SETTING])]
    sizes, variants = rows[SIZE].unique(), [name for name in rows["algorithm"].unique() if name != REFERENCE]
    gains = _gains(rows, setting)
    figure, panels = new_figure(1, len(sizes), size_in=(11, 3.6 * len(sizes)))
    name = labels("algorithm", REFERENCE)
    for axes, size in zip(panels, sizes, strict=True):
        of_size = results.points[results.points[SIZE] == size]
        _table(axes, _cells(gains[gains[SIZE] == size], of_size, setting), variants, labels)
        axes.set_title(
            f"J = {shown(size)}: by how much the mean response time (s) of {name} is below each variant's (%)"
        )
    draws = draws_in(results.points)
    figure.supxlabel(
        f"paired over {draws} clusters, ± 95 % interval; n/m: n of m clusters without a mean", fontsize="small"
    )
    return figure


def _gains(rows: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """Return reductions in per cent by setting, variant and draw.

    A reduction is 1 - ours/theirs. `ours` and `theirs` are the mean response times of the proposed scheme and of the
    variant in the same draw. Raises `KeyError` if the rows lack the proposed scheme.
    """
    named = rows.assign(**{axis: texts(rows[axis]) for axis in setting})
    times = by_draw(named, [SIZE, *setting, "algorithm", "draws", "status"])
    ours = times["algorithm"] == REFERENCE
    if not ours.any():
        raise KeyError(REFERENCE)
    pairs = paired(times[~ours], times[ours], [SIZE, *setting, "draw"])
    return pairs.assign(value=100 * (1 - pairs["reference"] / pairs["value"])).drop(columns="reference")


def _cells(gains: pd.DataFrame, points: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """Return `mean` and `text` by setting and variant."""
    keys = [*setting, "algorithm"]
    named = points.assign(**{axis: texts(points[axis]) for axis in setting})[[*keys, "draws"]].drop_duplicates(keys)
    means = complete_means(gains, keys).set_index(keys)
    counts = gains.groupby(keys)["draw"].nunique()
    cells = named.set_index(keys).assign(mean=means["mean"], half_width=means["half_width"], count=counts)
    cells["count"] = cells["count"].fillna(0).astype(int)
    return cells.assign(text=[_text(*cell) for cell in cells.itertuples(index=False)])


def _text(draws: int, mean: float, half_width: float, count: int) -> str:
    """Return a mean with its half-width, or the lacking draws."""
    if np.isnan(mean):
        return f"{draws - count}/{draws}"
    return f"{mean:.1f}" if np.isnan(half_width) else f"{mean:.1f} ± {half_width:.1f}"


def _table(axes: Axes, cells: pd.DataFrame, variants: list[str], labels: Labels) -> None:
    """Draw the means as coloured cells.

    A cell without a mean says on how many clusters there is no steady state or no path. Without a point it is empty.
    """
    index = [str(name) for name in cells.index.names if name != "algorithm"]
    means = cells.pivot_table("mean", index, "algorithm", sort=False, dropna=False).reindex(columns=variants)
    written = cells.pivot_table("text", index, "algorithm", sort=False, aggfunc="first")
    written = written.reindex(means.index, columns=variants).fillna("")
    bar = {"label": "reduction (%)", "shrink": 0.8}
    sns.heatmap(means, cmap="vlag_r", center=0, vmin=-50, vmax=50, ax=axes, cbar_kws=bar, linewidths=0.5)
    for (line, column), text in np.ndenumerate(written.to_numpy()):
        colour = "white" if abs(means.to_numpy()[line, column]) > STRONG else "black"
        axes.text(column + 0.5, line + 0.5, text, ha="center", va="center", fontsize="small", color=colour)
    axes.set_xticklabels([labels("algorithm", name) for name in means.columns], rotation=15, ha="right")
    settings = [_words(dict(zip(index, setting, strict=True)), labels) for setting in means.index]
    axes.set_yticklabels(settings, rotation=0)
    axes.set(xlabel="", ylabel="")
    axes.grid(visible=False)


def _words(setting: dict[str, str], labels: Labels) -> str:
    """Return a setting in words, with the constants first.

    The constants have a line of their own.
    """
    first, network, fast_servers = (labels(axis, setting[axis]) for axis in SETTING)
    others = [axis_words(axis, setting[axis], labels) for axis in setting if axis not in SETTING]
    return f"{first},\n" + ", ".join([network, f"fast servers {fast_servers}", *others])
