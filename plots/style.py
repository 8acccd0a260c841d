"""One look for all figures: readable in print, in grey and for colour-blind readers."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from store.statistics import intervals_over_draws

WIDTH_IN, HEIGHT_IN = 4.6, 3.2
LEGEND_MARGIN_IN = 0.2
SHORTEST_S = 1e-3
COLOURS = sns.color_palette("colorblind")
HOLLOW = {"markerfacecolor": "none", "linestyle": "--"}
# What means the same looks the same in every figure; markers and dashes tell curves apart without colour. What may
# coincide (JFFC and SA-JSQ, JSQ and JIQ) has markers that fit into each other.
LOOKS = {
    "simulation": {"color": COLOURS[0], "marker": "o", "linestyle": "none", "zorder": 4},
    "exact": {"color": "black", "linestyle": "-", "zorder": 3},
    "simulation_steps": {"color": COLOURS[2], "marker": "^", "linestyle": "--", "zorder": 3},
    "runtime": {
        "color": COLOURS[3],
        "marker": "D",
        "markersize": 5,
        "markerfacecolor": "none",
        "linestyle": "none",
        "zorder": 5,
    },
    "lower bound": {"color": COLOURS[2], "marker": "^", "linestyle": "--"},
    "upper bound": {"color": COLOURS[3], "marker": "v", "linestyle": "--"},
    "surrogate": {"color": COLOURS[1], "marker": "s", "linestyle": ":"},
    "jffc": {"color": COLOURS[0], "marker": "o", "markersize": 3, "linestyle": "none", "zorder": 5},
    "sa_jsq": {"color": COLOURS[1], "marker": "s", "markersize": 6.5, **HOLLOW},
    "sed": {"color": COLOURS[2], "marker": "^", "linestyle": "-."},
    "jsq": {"color": COLOURS[3], "marker": "D", "markersize": 6.5, "markerfacecolor": "none", "linestyle": ":"},
    "jiq": {"color": COLOURS[4], "marker": "x", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    "paper": {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    "published_code": {"color": COLOURS[3], "marker": "D", "linestyle": "--"},
    "a100_3g_40gb": {"color": COLOURS[0], "marker": "o", "markersize": 3, "linestyle": "-"},
    "a100_3g_40gb_published_code": {"color": COLOURS[0], "marker": "o", "markersize": 7, **HOLLOW},
    "a100_2g_20gb": {"color": COLOURS[3], "marker": "D", "markersize": 3, "linestyle": "-"},
    "a100_2g_20gb_published_code": {"color": COLOURS[3], "marker": "D", "markersize": 7, **HOLLOW},
    "proposed": {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    "proposed_tuned": {"color": COLOURS[9], "marker": "P", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    "bprr": {"color": COLOURS[1], "marker": "s", "linestyle": "--"},
    "petals": {"color": COLOURS[3], "marker": "D", "linestyle": ":"},
    "jffc_only": {"color": COLOURS[2], "marker": "^", "linestyle": "-."},
    "floor": {"color": COLOURS[7], "linestyle": "-", "linewidth": 2.5, "zorder": 1},
}
NEWCOMER = {"color": COLOURS[4], "marker": "*", "markersize": 7, "linestyle": "-."}  # a scheme of the reader's own
POLICY_NAMES = {"jffc": "JFFC", "sed": "SED", "sa_jsq": "SA-JSQ", "jsq": "JSQ", "jiq": "JIQ"}
SCHEME_NAMES = {
    "proposed": "Proposed",
    "proposed_tuned": "Proposed, c tuned",
    "bprr": "BPRR",
    "petals": "PETALS (backoff)",
    "jffc_only": "JFFC only",
    "proposed_required_rate": "Proposed, Alg. 1's stop",
    "bprr_published_code": "BPRR, published R",
    "petals_fcfs": "PETALS (FCFS)",
    "petals_block_cap": "PETALS, 4-block cap",
    "petals_window_sum": "PETALS, window sum",
    "petals_cap_and_sum": "PETALS, cap and sum",
}
CONSTANTS_TITLES = {"paper": "constants of the paper", "published_code": "constants of the published code"}


def new_figure(columns: int = 1, lines: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure and its panels, line by line."""
    sns.set_theme(context="paper", style="whitegrid", rc={"lines.markersize": 4, "svg.fonttype": "none"})
    size_in = (WIDTH_IN * columns, HEIGHT_IN * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size_in, squeeze=False, layout="constrained")
    return figure, list(axes.flat)


def by_constants(panels: Sequence[Axes], rows: pd.DataFrame) -> Iterator[tuple[Axes, pd.DataFrame, str]]:
    """Each panel with the rows of one set of constants and the panel's title."""
    for axes, name in zip(panels, rows["constants"].unique(), strict=True):
        yield axes, rows[rows["constants"] == name], CONSTANTS_TITLES.get(name, name)


def over_draws(rows: pd.DataFrame, axis: str, draws: int) -> pd.DataFrame:
    """Mean and 95 % half-width over draws for each value of an axis, where each of the draws has a value, ascending.

    Where some draws were refused a mean over the others would compare different clusters, so there is none.
    """
    numbers = rows[rows["draw"] < draws].assign(**{axis: pd.to_numeric(rows[axis])})
    statistics = intervals_over_draws(numbers, [axis]).dropna(subset=axis).set_index(axis)
    return statistics.loc[statistics["draws"] == draws, ["mean", "half_width"]]


def in_order(names: pd.Series) -> list[str]:
    """The schemes that are there, as they are listed above, and then those that are not."""
    known = [name for name in SCHEME_NAMES if name in set(names)]
    return known + [name for name in names.unique() if name not in SCHEME_NAMES]


def scheme_name(name: str) -> str:
    """A scheme as it is called in figures; one that is not listed above by its name in conf/algorithm."""
    return SCHEME_NAMES.get(name, name)


def look_of(name: str) -> dict[str, Any]:
    """How a curve is drawn."""
    return LOOKS.get(name, NEWCOMER)


def curve(axes: Axes, look: str, statistics: pd.DataFrame, label: str | None = None) -> None:
    """A curve of means with its intervals as error bars, where they are known; its label is its look's by default."""
    axes.errorbar(
        statistics.index,
        statistics["mean"],
        yerr=statistics["half_width"].fillna(0.0),
        label=label or look,
        capsize=2,
        elinewidth=0.8,
        **look_of(look),
    )


def logarithmic_from_zero(axes: Axes) -> None:
    """A logarithmic scale of what is drawn, straight below a millisecond, so that 0 has a place."""
    top = 2 * axes.dataLim.y1
    axes.set_yscale("symlog", linthresh=SHORTEST_S)
    axes.set_ylim(0, max(top, SHORTEST_S))


def legend_below(figure: Figure, axes: Axes, columns: int, note: str | None = None) -> None:
    """One legend for all panels, with the curves of one of them, under a note on what the figure is.

    A figure that is narrower is widened to it.
    """
    handles, labels = axes.get_legend_handles_labels()
    look: dict[str, Any] = {"loc": "outside lower center", "title_fontsize": "small"}
    legend = figure.legend(handles, labels, ncols=columns, title=note, **look)
    figure.set_figwidth(max(figure.get_figwidth(), legend.get_window_extent().width / figure.dpi + LEGEND_MARGIN_IN))
