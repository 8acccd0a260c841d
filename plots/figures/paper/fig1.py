"""Fig. 1: job servers that GBP-CR and random placements reserve for the target load."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of
from plots.drawing.style import Look, by_constants, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.statistics import mean_interval

SHARE = "cluster.fast_share"
SETTING = ["cluster.server_count", "demand.per_s"]
OF_TWO = (-0.15, 0.2)  # offsets of a box and a marker from the middle of a setting


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each fast share and set of constants.

    Fast shares are lines of panels, and sets of constants are columns.
    """
    servers, curves = curves_of(
        rows[rows["metric"] == "job_servers"], labels, ["constants", SHARE, *SETTING], "placement"
    )
    shares, columns = servers[SHARE].unique(), servers["constants"].nunique()
    figure, panels = new_figure(columns, len(shares))
    for line, share in enumerate(shares):
        chosen = servers[servers[SHARE] == share]
        kind = "homogeneous" if float(share) == 0 else "heterogeneous"
        for axes, shown, title in by_constants(panels[line * columns : (line + 1) * columns], chosen, labels):
            _draw_panel(axes, shown, curves, draws)
            axes.set(title=f"{kind} (η = {share}), {title}", ylabel="job servers c·K(c) (jobs)")
    legend_below(figure, panels, 1)
    return figure


def _draw_panel(axes: Axes, shown: pd.DataFrame, curves: Sequence[Curve], draws: int) -> None:
    """Draw the boxes and markers of all settings.

    A curve is left out of a setting if some draw has no placement that reaches the rate.
    """
    settings = shown[SETTING].drop_duplicates().to_numpy()
    offsets = OF_TWO if len(curves) == len(OF_TWO) else np.linspace(-0.3, 0.3, len(curves) + 2)[1:-1]
    for x, setting in enumerate(settings):
        of_setting = shown[(shown[SETTING] == setting).all(axis=1)]
        for offset, (label, look, *_) in zip(offsets, curves, strict=True):
            mine = of_setting[of_setting["curve"] == label]
            if mine["draw"].nunique() == draws:
                _draw_reserved(axes, x + float(offset), mine, look, label)
    names = [f"J = {server_count}\nλ = {rate}/s" for server_count, rate in settings]
    axes.set_xticks(range(len(settings)), names)
    axes.set(xlabel="servers and arrival rate", xlim=(-0.6, len(settings) - 0.4))
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")


def _draw_reserved(axes: Axes, x: float, rows: pd.DataFrame, look: Look, label: str) -> None:
    """Draw a box for several placements a draw, else a marker."""
    several = rows.groupby("draw").size().max() > 1
    draw_one = _draw_box if several else _draw_marker
    draw_one(axes, x, rows["value"].to_numpy(), look, label)


def _draw_box(axes: Axes, x: float, values: np.ndarray, look: Look, label: str) -> None:
    """Draw quartiles, extremes and the mean of some values.

    Quartiles are a box, extremes are whiskers, and the mean is a circle. The circle is there because c K(c) takes few
    values only.
    """
    drawn = axes.boxplot(
        [values],
        positions=[x],
        widths=0.3,
        whis=(0, 100),
        patch_artist=True,
        boxprops={"facecolor": look["color"]},
        medianprops={"color": "black", "linewidth": 1.6},
        showmeans=True,
        meanprops={"marker": "o", "markersize": 6, "markerfacecolor": "white", "markeredgecolor": "black"},
    )
    drawn["boxes"][0].set_label(f"{label} of all draws: median, quartiles, least and most, mean (circle)")


def _draw_marker(axes: Axes, x: float, values: np.ndarray, look: Look, label: str) -> None:
    mean, half_width, _ = mean_interval(values)
    name = f"{label}: mean over draws and 95 % interval"
    axes.errorbar(x, mean, yerr=np.nan_to_num(half_width), label=name, capsize=3, **look | {"linestyle": "none"})
