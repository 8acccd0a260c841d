"""One look for all figures: readable in print, in grey and for colour-blind readers."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from store.statistics import Interval, mean_interval

WIDTH_IN, HEIGHT_IN = 4.6, 3.2
COLOURS = sns.color_palette("colorblind")
# What means the same looks the same in every figure; markers and dashes tell curves apart without colour.
LOOKS = {
    "simulation": {"color": COLOURS[0], "marker": "o", "linestyle": "none", "zorder": 4},
    "exact": {"color": "black", "linestyle": "-", "zorder": 3},
    "lower bound": {"color": COLOURS[2], "marker": "^", "linestyle": "--"},
    "upper bound": {"color": COLOURS[3], "marker": "v", "linestyle": "--"},
    "surrogate": {"color": COLOURS[1], "marker": "s", "linestyle": ":"},
}


def new_figure(panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side."""
    sns.set_theme(context="paper", style="whitegrid", rc={"lines.markersize": 4, "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, panels, figsize=(WIDTH_IN * panels, HEIGHT_IN), squeeze=False, layout="constrained")
    return figure, list(axes[0])


def over_draws(rows: pd.DataFrame, axis: str, draws: int) -> pd.DataFrame:
    """Mean and 95 % half-width over draws for each value of an axis, where each of the draws has a value, ascending.

    Where some draws were refused a mean over the others would compare different clusters, so there is none.
    """
    numbers = rows.assign(**{axis: pd.to_numeric(rows[axis])})
    by_draw = numbers.pivot_table(index=axis, columns="draw", values="value").reindex(columns=range(draws)).dropna()
    intervals = [mean_interval(values) for values in by_draw.to_numpy()]
    return pd.DataFrame(intervals, index=by_draw.index, columns=list(Interval._fields))


def curve(axes: Axes, label: str, statistics: pd.DataFrame) -> None:
    """A curve of means with its intervals as error bars, where they are known."""
    half_width = statistics["half_width"].fillna(0.0)
    look = LOOKS[label]
    axes.errorbar(statistics.index, statistics["mean"], yerr=half_width, label=label, capsize=2, elinewidth=0.8, **look)
