"""The limit of the model: errors of predictions against real runs, over load, capacity and share of computation.

Equation (2) assumes that each job on a server computes as if it were alone. A server that computes one step at a time
makes jobs wait for each other's steps. They wait the longer, the more jobs there are and the more of their time is
computation.
"""

from collections.abc import Iterator, Sequence
from itertools import count, product
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plots.drawing.comparison_card import BANDS
from plots.drawing.predicted import (
    LOAD,
    LOOKS_LIKE,
    MEASURED,
    MODEL,
    RTT,
    STEPS,
    THEORY,
    Kind,
    cell_axes,
    cell_words,
    compute_shares,
    errors,
    kinds_in,
    means,
    model_of,
    share_words,
    with_kinds,
)
from plots.drawing.style import COLOURS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

METRICS = {"service_mean_s": "error of mean service", "response_mean_s": "error of mean response"}
KIND_STYLES = {MODEL: "-", STEPS: "--"}
FURTHER_STYLES = ("-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "osD^v"
TOP = 0.2  # the least upper end of the frame; the lower end is -100 %, as no prediction can be lower
WITHIN = " and ".join(f"{100 * band:g} % in {metric.split('_')[0]}" for metric, band in BANDS.items())
NOTE = f"relative to {{reference}}; grey: within {WITHIN}"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a column of panels for each round trip.

    The first line of panels is for service times, the second for response times. Without real runs the reference are
    the step queues.
    """
    known = with_kinds(results.rows)
    table, kinds = means(known), kinds_in(known, labels)
    reference = MEASURED if MEASURED in table else next(k.name for k in kinds if model_of(k.name) == STEPS)
    shown = [kind for kind in kinds if kind.name in table and kind.name not in (reference, THEORY)]
    settings = _settings(errors(table, kinds, reference), known, labels)
    columns = list(settings.groupby(RTT, sort=False))
    figure, panels = new_figure(len(columns), len(METRICS))
    for axes, (metric, (rtt_s, cells)) in zip(panels, product(METRICS, columns), strict=True):
        _errors(axes, cells[cells["metric"] == metric], metric, shown)
        share = share_words(compute_shares(table[table[RTT] == rtt_s], kinds))
        axes.set_title(f"RTT {1e3 * float(str(rtt_s)):g} ms: a job alone computes {share} of its time")
    against = "the run" if reference == MEASURED else f"{_label(kinds, reference)}, as nothing was run"
    legend_below(figure, panels, len(shown) or 1, NOTE.format(reference=against))
    return figure


def _settings(table: pd.DataFrame, rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the table with the column `setting`.

    It names the capacity and further axes that neither panels nor x show.
    """
    axes = [axis for axis in cell_axes(rows) if axis not in (RTT, LOAD)]
    settings = (dict(zip(axes, values, strict=True)) for values in table[axes].itertuples(index=False, name=None))
    return table.assign(setting=[", ".join(cell_words(setting, rows, labels)) for setting in settings])


def _label(kinds: Sequence[Kind], name: str) -> str:
    return next((kind.label for kind in kinds if kind.name == name), name)


def _errors(axes: Axes, relative: pd.DataFrame, metric: str, kinds: Sequence[Kind]) -> None:
    """Draw a curve for each prediction and setting."""
    axes.axhspan(-BANDS[metric], BANDS[metric], color="0.9", zorder=0)
    axes.axhline(0, color="black", linewidth=0.8)
    top, further = TOP, _further_styles()
    for name, label, _ in kinds:
        top = max(top, 1.1 * relative[name].max())
        linestyle = KIND_STYLES.get(LOOKS_LIKE.get(model_of(name), model_of(name))) or next(further)
        for number, (setting, cells) in enumerate(relative.groupby("setting", sort=False)):
            marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
            look = {"color": COLOURS[number % len(COLOURS)], "marker": marker, "linestyle": linestyle}
            ordered = cells.sort_values(LOAD)
            axes.plot(ordered[LOAD], ordered[name], label=f"{label}, {setting}".removesuffix(", "), **look)
    axes.set(xlabel="load λ/ν of equation (2)", ylabel=f"{METRICS[metric]} (%)", xlim=(0, 1), ylim=(-1, top))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=None))


def _further_styles() -> Iterator[Any]:
    """Yield different dashes for predictions of other models."""
    yield from FURTHER_STYLES
    yield from ((0, (length, 2)) for length in count(len(FURTHER_STYLES)))
