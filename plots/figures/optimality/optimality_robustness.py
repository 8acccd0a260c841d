"""Robustness: mean response times of searched compositions against the paper's scheme, under many workloads.

The reference is the paper's scheme with the c of the least exact mean. Compositions are chosen for Poisson arrivals,
exponential sizes and equation (2), except where a scheme says otherwise; jobs are simulated as the workload and the
service model have it. Above 0 the composition loses. Changes are taken in each draw, with the same jobs.
"""

from collections.abc import Sequence
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import MEAN, Curve, axis_words, curves_of, distinguishing_axes
from plots.drawing.pairs import paired
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import shown

LOAD, SCHEME, REFERENCE = "demand.load", "algorithm", "proposed_exact"
WORKLOAD = ("workload", "service")  # the axes of workloads
COLUMN = "column"  # of a workload in a panel
OFFSET, MARGIN = 0.16, 0.5  # between schemes in a column, and beside the outer columns
LONGEST = 16  # characters of a line of words
COLUMN_IN, HEIGHT_IN = 1.15, 3.8
LOSS = "#f6e3dc"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each load, with a column for each workload."""
    times = results.rows[results.rows["metric"] == MEAN]
    shown_axes = [*WORKLOAD, LOAD]
    settings = [LOAD, *distinguishing_axes(times, [*shown_axes, SCHEME])]
    _, curves = curves_of(times, labels, [*shown_axes, *settings], SCHEME)
    words = _workloads(results.points, labels)
    rows = _changes(times, settings).assign(**{COLUMN: lambda table: _columns(table, words, labels)})
    points = results.points.assign(**{COLUMN: _columns(results.points, words, labels)})
    panels = panels_over(Results(rows, points), settings)
    width_in = COLUMN_IN * len(words) + 1
    figure, frames = new_figure(len(panels), size_in=(width_in * len(panels), HEIGHT_IN))
    for axes, panel in zip(frames, panels, strict=True):
        _draw_panel(axes, panel, [line for line in curves if line.subject != REFERENCE], panel.title(labels))
        axes.set_xticks(range(len(words)), [fill(word, LONGEST) for word in words], fontsize="small")
        axes.set(xlabel="workload", ylabel="change of the mean response (%)", xlim=(-MARGIN, len(words) - 1 + MARGIN))
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(results.points)))
    return figure


def _workloads(points: pd.DataFrame, labels: Labels) -> list[str]:
    """Return the workloads of points in words, in their order."""
    return list(dict.fromkeys(_words(points, labels)))


def _columns(table: pd.DataFrame, words: Sequence[str], labels: Labels) -> list[float]:
    """Return the number of the column of each row or point."""
    return [float(words.index(word)) for word in _words(table, labels)]


def _words(table: pd.DataFrame, labels: Labels) -> list[str]:
    """Return workloads in words, without the first service model."""
    axes = [axis for axis in WORKLOAD if axis in table]
    plain = table["service"].iloc[0] if "service" in table else None
    return [
        ", ".join(
            axis_words(axis, shown(value), labels) for axis, value in zip(axes, key, strict=True) if value != plain
        )
        for key in table[axes].to_numpy()
    ]


def _changes(times: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return times in % above those of the reference for the same jobs."""
    keys = [axis for axis in (*WORKLOAD, *settings, "draw", "replication") if axis in times]
    pairs = paired(times, times[times[SCHEME] == REFERENCE], keys)
    if pairs.empty:
        raise KeyError(f"{SCHEME} = {REFERENCE}")
    return pairs.assign(value=100 * (pairs["value"] / pairs["reference"] - 1)).drop(columns="reference")


def _draw_panel(axes: Axes, panel: Panel, curves: Sequence[Curve], title: str) -> None:
    """Draw the changes of each scheme beside each other, and where they are losses."""
    offsets = {line.subject: OFFSET * (number - (len(curves) - 1) / 2) for number, line in enumerate(curves)}
    names = {line.subject: line.label for line in curves}
    known = panel.rows[panel.rows[SCHEME].isin(offsets)]
    rows = known.assign(
        **{COLUMN: known[COLUMN] + known[SCHEME].map(offsets).astype(float), "curve": known[SCHEME].map(names)}
    )
    marks = [line._replace(look=line.look | {"linestyle": "none"}) for line in curves]
    draw_with_refusals(axes, panel._replace(rows=rows), marks, COLUMN, title)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -1), max(high, 1))
    axes.axhspan(0, axes.get_ylim()[1], color=LOSS, zorder=0)
    axes.axhline(0, color="0.5", linewidth=1)
