"""Fig. 1: job servers that GBP-CR and random placements reserve for the target load."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of
from plots.drawing.panels import Panel, panel_grid
from plots.drawing.style import Look, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import by_draw, mean_interval

SHARE = "cluster.fast_share"
SETTING = ["cluster.server_count", "demand.per_s"]
OF_TWO = (-0.15, 0.2)  # offsets of a box and a marker from the middle of a setting


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each fast share and set of constants.

    Fast shares are lines of panels, and sets of constants are columns.
    """
    servers = results.rows[results.rows["metric"] == "job_servers"]
    rows, curves = curves_of(servers, labels, ["constants", SHARE, *SETTING], "placement")
    grid = panel_grid(Results(rows, results.points), SHARE, "constants")
    figure, frames = new_figure(len(grid[0]), len(grid))
    for axes, panel in zip(frames, chain(*grid), strict=True):
        _draw_panel(axes, panel.rows, curves)
        axes.set(title=_title(panel, labels), ylabel="job servers c·K(c) (jobs)")
    legend_below(figure, frames, 1)
    return figure


def _title(panel: Panel, labels: Labels) -> str:
    """Return whether servers are homogeneous, and the constants."""
    shares = [share for axis, share in panel.setting.items() if axis == SHARE]
    kinds = [f"{'heterogeneous' if share else 'homogeneous'} (η = {share:g})" for share in shares]
    return ", ".join([*kinds, *(labels("constants", panel.setting[axis]) for axis in panel.setting if axis != SHARE)])


def _draw_panel(axes: Axes, shown: pd.DataFrame, curves: Sequence[Curve]) -> None:
    """Draw the boxes and markers of all settings.

    A curve is left out of a setting if some draw has no placement that reaches the rate.
    """
    settings = shown[SETTING].drop_duplicates().to_numpy()
    offsets = OF_TWO if len(curves) == len(OF_TWO) else np.linspace(-0.3, 0.3, len(curves) + 2)[1:-1]
    for x, setting in enumerate(settings):
        of_setting = shown[(shown[SETTING] == setting).all(axis=1)]
        for offset, (label, look, *_) in zip(offsets, curves, strict=True):
            mine = of_setting[of_setting["curve"] == label]
            if len(mine) and mine["status"].eq("ok").all():
                _draw_reserved(axes, x + float(offset), by_draw(mine, ["at"]), look, label)
    names = [f"J = {server_count:g}\nλ = {rate:g}/s" for server_count, rate in settings]
    axes.set_xticks(range(len(settings)), names)
    axes.set(xlabel="servers and arrival rate", xlim=(-0.6, len(settings) - 0.4))
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")


def _draw_reserved(axes: Axes, x: float, by_placement: pd.DataFrame, look: Look, label: str) -> None:
    """Draw a box for several placements a draw, else a marker."""
    several = by_placement.groupby("draw").size().max() > 1
    draw_one = _draw_box if several else _draw_marker
    draw_one(axes, x, by_placement["value"].to_numpy(), look, label)


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
