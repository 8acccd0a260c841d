"""Fitted lines, and the points that they are fitted to."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from plots.drawing.curves import curves_of
from plots.drawing.style import over_draws
from store.tables.labels import Labels

ENDINGS = ("", "_measured", "_p10", "_p90")
POINTS: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 3, "capsize": 2, "elinewidth": 0.8}
NOTE = "lines: fitted to measurements; points: medians, bars from P10 to P90"
MODELLED = "model of footnote 2, without measured points: {}"


def lines_and_points(axes: Axes, rows: pd.DataFrame, metric: str, named: str, labels: Labels) -> None:
    """Draw a line and its measured points for each name.

    The names are the values of the axis `named`, with those of further axes in which points differ. The line is the
    metric `<metric>_s`. Points, if there are any, are medians with bars from P10 to P90 in the colour of the line.
    """
    of_metric, curves = curves_of(
        rows[rows["metric"].isin([f"{metric}{end}_s" for end in ENDINGS])], labels, [], named, True
    )
    for label, look, *_ in curves:
        group = of_metric[of_metric["curve"] == label]
        line, median, p10, p90 = (_means(group, f"{metric}{ending}_s") for ending in ENDINGS)
        own = {"color": look["color"], "linestyle": "-"} if len(median) else look
        axes.plot(line.index, line, label=label, **own)
        if len(median):
            spread_s = (median - p10, p90 - median)
            axes.errorbar(
                median.index, median, yerr=spread_s, color=look["color"], label=f"{label}, measured", **POINTS
            )
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.05 * axes.dataLim.y1))  # keep a flat line off the frame


def reading_note(rows: pd.DataFrame, named: str, labels: Labels) -> str:
    """Return a note on fitted lines and lines without points."""
    fits = rows[rows["metric"] == "measured_fit"].drop_duplicates(named)
    modelled = fits.loc[fits["value"] == 0, named]
    notes = [NOTE] if rows["metric"].str.endswith("_measured_s").any() else []
    if len(modelled):
        notes.append(MODELLED.format(", ".join(labels(named, name) for name in modelled)))
    return "; ".join(notes)


def _means(rows: pd.DataFrame, metric: str) -> "pd.Series[float]":
    """Return the values of a metric by coordinate.

    They are the same in every draw.
    """
    return over_draws(rows[rows["metric"] == metric], "at")["mean"]
