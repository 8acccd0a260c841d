"""The limit of the model: errors of predictions against real runs, over load, capacity and share of computation.

Equation (2) assumes that each job on a server computes as if it were alone. A server that computes one step at a time
makes jobs wait for each other's steps. They wait the longer, the more jobs there are and the more of their time is
computation.
"""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plots.drawing.comparison_card import BANDS
from plots.drawing.predicted import (
    LOOKS_LIKE,
    MEASURED,
    MODEL,
    STEPS,
    THEORY,
    Kind,
    compute_share,
    errors,
    kinds_in,
    means,
    model_of,
    with_kinds,
)
from plots.drawing.style import COLOURS, legend_below, new_figure
from store.tables.labels import Labels

METRICS = {"service_mean_s": "error of mean service", "response_mean_s": "error of mean response"}
KIND_STYLES = {MODEL: "-", STEPS: "--"}
FURTHER_STYLES = ("-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "osD^v"
TOP = 0.2  # the least upper end of the frame; the lower end is -100 %, as no prediction can be lower
WITHIN = " and ".join(f"{100 * band:g} % in {metric.split('_')[0]}" for metric, band in BANDS.items())
NOTE = f"relative to {{reference}}; grey: within {WITHIN}"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a column of panels for each share of computation.

    The first line of panels is for service times, the second for response times. Without real runs the reference are
    the step queues.
    """
    known = with_kinds(rows)
    table, kinds = means(known), kinds_in(known, labels)
    reference = MEASURED if MEASURED in table else next(k.name for k in kinds if model_of(k.name) == STEPS)
    relative = errors(table, kinds, reference).assign(load=pd.to_numeric(table["demand.load"]))
    shown = [kind for kind in kinds if kind.name in relative and kind.name not in (reference, THEORY)]
    shares = {str(rtt_s): compute_share(cells, kinds) for rtt_s, cells in table.groupby("network.rtt_s", sort=False)}
    figure, panels = new_figure(len(shares), len(METRICS))
    for line, metric in enumerate(METRICS):
        for number, (rtt_s, share) in enumerate(shares.items()):
            axes = panels[line * len(shares) + number]
            chosen = (relative["metric"] == metric) & (relative["network.rtt_s"] == rtt_s)
            _errors(axes, relative[chosen], metric, shown)
            axes.set_title(f"RTT {1e3 * float(rtt_s):g} ms: a job alone computes {share:.0%} of its time")
    against = "the run" if reference == MEASURED else f"{_label(kinds, reference)}, as nothing was run"
    legend_below(figure, panels, len(shown) or 1, NOTE.format(reference=against))
    return figure


def _label(kinds: Sequence[Kind], name: str) -> str:
    return next((kind.label for kind in kinds if kind.name == name), name)


def _errors(axes: Axes, relative: pd.DataFrame, metric: str, kinds: Sequence[Kind]) -> None:
    """Draw a curve for each prediction and capacity."""
    axes.axhspan(-BANDS[metric], BANDS[metric], color="0.9", zorder=0)
    axes.axhline(0, color="black", linewidth=0.8)
    top, further = TOP, cycle(FURTHER_STYLES)
    for name, label, _ in kinds:
        top = max(top, 1.1 * relative[name].max())
        linestyle = KIND_STYLES.get(LOOKS_LIKE.get(model_of(name), model_of(name))) or next(further)
        for number, (capacity, cells) in enumerate(relative.groupby("tuning.capacity", sort=False)):
            look = {"color": COLOURS[number], "marker": MARKERS[number % len(MARKERS)], "linestyle": linestyle}
            ordered = cells.sort_values("load")
            axes.plot(ordered["load"], ordered[name], label=f"{label}, c = {capacity}", **look)
    axes.set(xlabel="load λ/ν of equation (2)", ylabel=f"{METRICS[metric]} (%)", xlim=(0, 1), ylim=(-1, top))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=None))
