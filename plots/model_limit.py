"""The limit of the model: how far predictions are from real runs, over load, capacity and the share of computation.

Equation (2) lets jobs on a server compute as if each were alone; on a server that computes one step at a time they wait
for each other's steps, the more so the more jobs there are and the more of their time is computation.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plots.comparison_card import BANDS
from plots.predicted import MEASURED, MODEL, STEPS, compute_share, errors, means, with_kinds
from plots.style import COLOURS, legend_below, new_figure

METRICS = {"service_mean_s": "error of mean service", "response_mean_s": "error of mean response"}
KIND_STYLES = {MODEL: "-", STEPS: "--"}
REFERENCES = {MEASURED: "the run", STEPS: "the step queues, as nothing was run"}
MARKERS = "osD^v"
TOP = 0.2  # a prediction cannot be more than 100 % too low; too high, the frame goes at least so far
WITHIN = " and ".join(f"{100 * band:g} % in {metric.split('_')[0]}" for metric, band in BANDS.items())
NOTE = f"relative to {{reference}}; grey: within {WITHIN}"


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A column for each share of computation, a line of panels for service and one for response."""
    table = means(with_kinds(rows), draws)
    reference = next(kind for kind in REFERENCES if kind in table or kind == STEPS)
    off = errors(table, reference).assign(load=pd.to_numeric(table["demand.load"]))
    shares = {str(rtt_s): compute_share(cells) for rtt_s, cells in table.groupby("network.rtt_s", sort=False)}
    figure, panels = new_figure(len(shares), len(METRICS))
    for line, metric in enumerate(METRICS):
        for number, (rtt_s, share) in enumerate(shares.items()):
            axes = panels[line * len(shares) + number]
            _errors(axes, off[(off["metric"] == metric) & (off["network.rtt_s"] == rtt_s)], metric, reference)
            axes.set_title(f"RTT {1e3 * float(rtt_s):g} ms: a job alone computes {share:.0%} of its time")
    legend_below(figure, panels[0], 2, NOTE.format(reference=REFERENCES[reference]))
    return figure


def _errors(axes: Axes, off: pd.DataFrame, metric: str, reference: str) -> None:
    """A curve for each prediction and capacity."""
    axes.axhspan(-BANDS[metric], BANDS[metric], color="0.9", zorder=0)
    axes.axhline(0, color="black", linewidth=0.8)
    top = TOP
    for kind in (kind for kind in KIND_STYLES if kind in off and kind != reference):
        top = max(top, 1.1 * off[kind].max())
        for number, (capacity, cells) in enumerate(off.groupby("tuning.capacity", sort=False)):
            look = {"color": COLOURS[number], "marker": MARKERS[number % len(MARKERS)], "linestyle": KIND_STYLES[kind]}
            ordered = cells.sort_values("load")
            axes.plot(ordered["load"], ordered[kind], label=f"{kind}, c = {capacity}", **look)
    axes.set(xlabel="load λ/ν of equation (2)", ylabel=f"{METRICS[metric]} (%)", xlim=(0, 1), ylim=(-1, top))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=None))
