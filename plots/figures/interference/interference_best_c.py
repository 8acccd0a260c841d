"""Choice of c over load if requests slow each other: the c by equation (2), by theory and by simulated step queues.

Beside the chosen c stands the simulated mean response time with it, and how much that is above the time with the c of
equation (2), for the same jobs. Its intervals are those of paired differences.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plots.drawing.curves import MEAN, Curve, curves_of, distinguishing_axes, draw_curves
from plots.drawing.pairs import paired
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure, share_logarithmic
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD, TUNING, EQUATION_2 = "demand.load", "tuning", "exact_mean"
CHOSEN = "reserved_capacity"
Y_LABELS = ("chosen c (jobs)", "mean response time (s)", "change against equation (2) (%)")


def draw(results: Results, labels: Labels) -> Figure:
    """Draw the chosen c, times and changes of times.

    There is a line of panels for each combination of settings other than load and tuning.
    """
    times = results.rows[results.rows["metric"] == MEAN]
    further = distinguishing_axes(times, [LOAD, TUNING])
    _, curves = curves_of(times, labels, [LOAD, *further], TUNING)
    names = {line.subject: line.label for line in curves}
    rows = results.rows.assign(curve=results.rows[TUNING].map(names))
    panels = panels_over(Results(rows, results.points), further)
    figure, frames = new_figure(len(Y_LABELS), len(panels), size_in=(12, 3.8 * len(panels)))
    for number, panel in enumerate(panels):
        _draw_line(frames[len(Y_LABELS) * number :], panel, curves, panel.title(labels))
    share_logarithmic(frames[1 :: len(Y_LABELS)])
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(results.points)))
    return figure


def _draw_line(frames: Sequence[Axes], panel: Panel, curves: Sequence[Curve], title: str) -> None:
    """Draw the panels of one setting into the first frames."""
    times = panel.rows[panel.rows["metric"] == MEAN]
    draw_curves(frames[0], panel.rows[panel.rows["metric"] == CHOSEN], curves, LOAD)
    frames[0].set_title(title)
    draw_with_refusals(frames[1], panel._replace(rows=times), curves, LOAD, title)
    draw_curves(frames[2], _changes(times), [line for line in curves if line.subject != EQUATION_2], LOAD)
    frames[2].axhline(0, color="0.5", linewidth=1)
    frames[2].set_title(title)
    frames[2].yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    for axes, words in zip(frames, Y_LABELS, strict=False):
        axes.set(xlabel="load λ/ν' (ν' at c = 7)", ylabel=words, xlim=(0, 1))
    frames[0].set_ylim(bottom=0)


def _changes(times: pd.DataFrame) -> pd.DataFrame:
    """Return times relative to those of equation (2) for the same jobs, less 1."""
    pairs = paired(times, times[times[TUNING] == EQUATION_2], [LOAD, "draw", "replication"])
    return pairs.assign(value=pairs["value"] / pairs["reference"] - 1).drop(columns="reference")
