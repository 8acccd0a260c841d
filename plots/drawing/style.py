"""The common look of all figures, readable in print, in grey and for colour-blind readers."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from math import ceil
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import LogLocator, NullLocator

from plots.drawing.appearance import current_appearance
from store.tables.statistics import complete_means
from system import InputError

WIDTH_IN, HEIGHT_IN = 4.6, 3.2
LEGEND_MARGIN_IN = 0.2
SHORTEST_S = 1e-3
BEYOND_TICKS = 1.15  # a logarithmic axis ends beyond its first and last ticks by this factor
MOST_COLUMNS = 6  # of a legend
COLOURS = sns.color_palette("colorblind")
HOLLOW = {"markerfacecolor": "none", "linestyle": "--"}
Look = dict[str, Any]
Name = TypeVar("Name", bound=Hashable)
Curve = TypeVar("Curve", bound=Hashable)
# A name has the same look in every figure. Markers and dashes distinguish curves without colour. Curves that may
# coincide (JFFC and SA-JSQ, JSQ and JIQ) have markers that fit into each other. Curves are drawn in this order.
LOOKS: dict[str, Look] = {
    "surrogate_response_s": {"color": COLOURS[1], "marker": "s", "linestyle": ":"},
    "response_upper_s": {"color": COLOURS[3], "marker": "v", "linestyle": "--"},
    "simulation": {"color": COLOURS[0], "marker": "o", "linestyle": "none", "zorder": 4},
    "exact": {"color": "black", "linestyle": "-", "zorder": 3},
    "independent": {"color": COLOURS[0], "marker": "o", "linestyle": "none", "zorder": 4},
    "steps": {"color": COLOURS[2], "marker": "^", "linestyle": "--", "zorder": 3},
    "steps_decode": {"color": COLOURS[1], "marker": "s", "linestyle": "-."},
    "token_budget": {"color": COLOURS[4], "marker": "X", "markersize": 6, "linestyle": ":"},
    "lockstep": {"color": COLOURS[5], "marker": "p", "markersize": 6, "linestyle": (0, (3, 1, 1, 1))},
    "runtime": {
        "color": COLOURS[3],
        "marker": "D",
        "markersize": 5,
        "markerfacecolor": "none",
        "linestyle": "none",
        "zorder": 5,
    },
    "response_lower_s": {"color": COLOURS[2], "marker": "^", "linestyle": "--"},
    "response_floor_s": {"color": COLOURS[7], "linestyle": "-", "linewidth": 2.5, "zorder": 1},
    "response_bound_s": {"color": COLOURS[7], "linestyle": "-", "linewidth": 2.5, "zorder": 1},
    "theorem4_upper": {"color": COLOURS[3], "marker": "v", "linestyle": "--"},
    "simulated_mean": {"color": COLOURS[0], "marker": "o", "linestyle": "none", "zorder": 4},
    "exact_mean": {"color": "black", "linestyle": "-", "zorder": 3},
    "theorem4_lower": {"color": COLOURS[2], "marker": "^", "linestyle": "--"},
    "surrogate": {"color": COLOURS[1], "marker": "s", "linestyle": ":"},
    "jffc": {"color": COLOURS[0], "marker": "o", "markersize": 3, "linestyle": ":", "zorder": 5},
    "least_work": {"color": "black", "marker": "P", "markersize": 5.5, "linestyle": "-", "zorder": 4},
    "least_work_prompts": {"color": COLOURS[5], "marker": "X", "markersize": 5.5, "linestyle": "--", "zorder": 4},
    "sed": {"color": COLOURS[2], "marker": "^", "linestyle": "-."},
    "sa_jsq": {"color": COLOURS[1], "marker": "s", "markersize": 6.5, **HOLLOW},
    "jsq": {"color": COLOURS[3], "marker": "D", "markersize": 6.5, "markerfacecolor": "none", "linestyle": ":"},
    "jiq": {"color": COLOURS[4], "marker": "x", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    "random_feasible": {"color": "0.85", "marker": "o", "linestyle": "none"},
    "gbp_cr": {"color": COLOURS[0], "marker": "D", "markersize": 6, "linestyle": "none"},
    "paper": {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    "simulator": {"color": COLOURS[3], "marker": "D", "linestyle": "--"},
    "a100_3g_40gb": {"color": COLOURS[0], "marker": "o", "markersize": 3, "linestyle": "-"},
    "a100_3g_40gb_published_code": {"color": COLOURS[0], "marker": "o", "markersize": 7, **HOLLOW},
    "a100_2g_20gb": {"color": COLOURS[3], "marker": "D", "markersize": 3, "linestyle": "-"},
    "a100_2g_20gb_published_code": {"color": COLOURS[3], "marker": "D", "markersize": 7, **HOLLOW},
    "proposed": {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    "proposed_tuned": {"color": COLOURS[9], "marker": "P", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    "proposed_exact": {"color": "black", "marker": "v", "markersize": 9, **HOLLOW},
    "searched": {"color": COLOURS[5], "marker": "*", "markersize": 7, "linestyle": "-"},
    "searched_exact": {"color": COLOURS[6], "marker": "X", "markersize": 7, "linestyle": (0, (1, 1))},
    "bprr": {"color": COLOURS[1], "marker": "s", "linestyle": "--"},
    "petals": {"color": COLOURS[3], "marker": "D", "linestyle": ":"},
    "jffc_only": {"color": COLOURS[2], "marker": "^", "linestyle": "-."},
    "separate": {"color": COLOURS[7], "marker": "<", "linestyle": (0, (7, 2))},
    # A scheme of the field, and its layout as chains: a dark and a light shade.
    "swarm": {"color": "#00695c", "marker": "p", "markersize": 6, "linestyle": "-."},
    "swarm_chains": {"color": "#4db6ac", "marker": "p", "markersize": 7, **HOLLOW},
    "parallax": {"color": "#6a1b9a", "marker": ">", "linestyle": (0, (3, 1, 1, 1))},
    "parallax_chains": {"color": "#ba68c8", "marker": ">", "markersize": 7, **HOLLOW},
    "published_helix": {"color": "#7a3e12", "marker": "H", "markersize": 6, "linestyle": "-"},
    "published_helix_chains": {"color": "#d2996b", "marker": "H", "markersize": 7, **HOLLOW},
    "helix": {"color": COLOURS[8], "marker": "h", "markersize": 6, "linestyle": (0, (7, 2))},
    "petals_block_cap": {"color": COLOURS[4], "marker": "*", "markersize": 7, "linestyle": "-."},
}
# Colours, markers and dashes for names that are not listed above. The ones that differ most come first.
FREE_COLOURS = tuple(COLOURS[number] for number in (4, 5, 6, 8, 9, 2, 1, 3, 0, 7))
FREE_MARKERS = ("*", "X", "p", "<", ">", "h", "P", "v", "^", "s", "D", "o")
FREE_DASHES = ("-.", (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)), "-", "--", ":")


class DrawingError(InputError):
    """Error for rows of which no figure can be drawn that shows all of them."""


def new_figure(
    columns: int = 1,
    lines: int = 1,
    heights: Sequence[float] | None = None,
    size_in: tuple[float, float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, line by line.

    `heights` are the heights of the lines relative to each other. `size_in` is the size of a figure that is not drawn
    for a stated width, by default that of panels with usual sizes.
    """
    current_appearance().set_theme()
    size_in = size_in or (WIDTH_IN * columns, HEIGHT_IN * lines)
    figure, axes = plt.subplots(
        lines, columns, figsize=size_in, squeeze=False, layout="constrained", height_ratios=heights
    )
    return figure, list(axes.flat)


def wrapped_figure(
    panel_count: int, columns: int, panel_in: tuple[float, float] = (WIDTH_IN, HEIGHT_IN)
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, in lines of `columns` panels.

    The last line may have fewer.
    """
    lines = ceil(panel_count / columns)
    figure, frames = new_figure(columns, lines, size_in=(panel_in[0] * columns, panel_in[1] * lines))
    for axes in frames[panel_count:]:
        axes.remove()
    return figure, frames[:panel_count]


def over_draws(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return `mean` and `half_width` over draws along an axis.

    The index has the values of the axis, ascending. The half-width is that of the 95 % interval. A value of the axis is
    left out if some draw of its point lacks a number, because a mean over the others would be of other clusters. Raises
    `PoolingError` unless each value of the axis belongs to one configuration, and `DrawingError` for rows without one.
    """
    if rows[axis].isna().any():
        raise DrawingError(f"{axis}: some points have no value of it; keep the others with --where")
    statistics = complete_means(rows, [axis]).set_index(axis)
    return statistics[["mean", "half_width"]]


def mean_of(rows: pd.DataFrame, metric: str) -> float:
    """Return the mean of a metric; nan if incomplete."""
    means = complete_means(rows[rows["metric"] == metric], ["metric"])["mean"]
    return float(means.to_numpy()[0]) if len(means) else float("nan")


def in_order(names: Iterable[Name], order: Iterable[Name]) -> list[Name]:
    """Return the distinct names, those of `order` first.

    The others follow in the order in which they come.
    """
    present = dict.fromkeys(names)
    known = dict.fromkeys(name for name in order if name in present)
    return list(known | present)


def looks_of(wanted: Mapping[Curve, Name], looks: Mapping[Name, Look]) -> dict[Curve, Look]:
    """Return the look of each curve.

    A curve has the look of the name that it wants. If another curve has that look already, or if the name has no look,
    the curve gets a look of its own.
    """
    first: dict[Name, Curve] = {}
    for curve, name in wanted.items():
        if name in looks:
            first.setdefault(name, curve)
    known = {curve: looks[name] for name, curve in first.items()}
    taken = list(known.values())
    free = (look for look in _free_looks(taken) if _marks(look) not in map(_marks, taken))
    return {curve: known.get(curve) or next(free) for curve in wanted}


def _marks(look: Look) -> tuple[Any, ...]:
    return look["color"], look.get("marker"), look.get("linestyle")


def _free_looks(taken: Sequence[Look]) -> Iterator[Look]:
    """Yield different looks that are not taken."""
    colours = _unused([look["color"] for look in taken], FREE_COLOURS)
    markers = _unused([look.get("marker") for look in taken], FREE_MARKERS)
    dashes = _unused([look.get("linestyle") for look in taken], FREE_DASHES)
    for number in count():
        rounds, column = divmod(number, len(colours))
        marker = markers[(column + rounds) % len(markers)]
        dash = dashes[(column + rounds // len(markers)) % len(dashes)]
        yield {"color": colours[column], "marker": marker, "markersize": 6, "linestyle": dash}


def _unused(taken: Iterable[Any], choices: Sequence[Any]) -> list[Any]:
    """Return the choices left, or all if none is left."""
    used = list(taken)
    return [choice for choice in choices if choice not in used] or list(choices)


def curve(axes: Axes, look: Look, statistics: pd.DataFrame, label: str) -> None:
    """Draw a curve of means with error bars.

    A mean without an interval has no error bar.
    """
    axes.errorbar(
        statistics.index,
        statistics["mean"],
        yerr=statistics["half_width"].fillna(0.0),
        label=label,
        capsize=2,
        elinewidth=0.8,
        **look,
    )


def logarithmic_from_zero(axes: Axes) -> None:
    """Set a logarithmic y scale that shows 0.

    It is linear below a millisecond.
    """
    top = 2 * axes.dataLim.y1
    axes.set_yscale("symlog", linthresh=SHORTEST_S)
    axes.set_ylim(0, max(top, SHORTEST_S))


def logarithmic_at(axes: Axes, values: Iterable[float]) -> None:
    """Set a logarithmic x scale with a tick at each value."""
    ticks = sorted(set(values))
    axes.set(xscale="log", xlim=(ticks[0] / BEYOND_TICKS, ticks[-1] * BEYOND_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


def share_logarithmic(panels: Sequence[Axes]) -> None:
    """Set the same logarithmic y scale for all panels, with plain numbers."""
    for axes in panels[1:]:
        axes.sharey(panels[0])
    panels[0].set_yscale("log")
    for axes in panels:
        _write_plain_numbers(axes)


def logarithmic(axes: Axes) -> None:
    """Set a logarithmic y scale with plain numbers."""
    axes.set_yscale("log")
    _write_plain_numbers(axes)


def _write_plain_numbers(axes: Axes) -> None:
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def legend_below(figure: Figure, panels: Sequence[Axes], columns: int, note: str | None = None) -> None:
    """Draw one legend for all curves of some panels.

    It stands below the panels, with a note above its entries. It has fewer columns in a figure with a stated width; any
    other figure is widened if it is narrower than its legend.
    """
    drawn = {label: handle for axes in reversed(panels) for handle, label in _entries(axes)}
    labels = dict.fromkeys(label for axes in panels for _, label in _entries(axes))
    look: dict[str, Any] = {"loc": "outside lower center", "title_fontsize": "small"}
    entries = [drawn[label] for label in labels], list(labels)
    width_in = current_appearance().width_in
    if width_in:
        columns = _columns_within(width_in, figure, entries, columns)
    legend = figure.legend(*entries, ncols=columns, title=note, **look)
    figure.set_figwidth(max(figure.get_figwidth(), _legend_width_in(legend)))


def _columns_within(width_in: float, figure: Figure, entries: tuple[list[Any], list[str]], most: int) -> int:
    """Return the most columns of a legend within a width."""
    for columns in range(most, 1, -1):
        legend = figure.legend(*entries, ncols=columns)
        needed_in = _legend_width_in(legend)
        legend.remove()
        if needed_in <= width_in:
            return columns
    return 1


def _legend_width_in(legend: Legend) -> float:
    return legend.get_window_extent().width / legend.figure.dpi + LEGEND_MARGIN_IN


def _entries(axes: Axes) -> Iterator[tuple[Any, str]]:
    handles, labels = axes.get_legend_handles_labels()
    return zip(handles, labels, strict=True)
