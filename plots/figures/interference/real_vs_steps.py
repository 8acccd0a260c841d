"""Service models in which requests slow each other, beside real runs under the same rules: predicted over measured."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.comparison_card import BANDS, card, time_name
from plots.drawing.curves import axis_words
from plots.drawing.predicted import MEASURED, cell_axes, kinds_in, means, with_kinds
from plots.drawing.style import legend_below, looks_of, new_figure
from plots.figures.beyond import real_vs_predicted as over_load
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import shown

__all__ = ["card", "draw"]

RULE = "rule"
MARGIN = 1.1  # between the largest time and the ends of the axes
NOTE = "each point: one load and capacity, means over {draws} runs; grey: within {bands}"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw predictions over measurements, a panel for each metric.

    Without a measurement, draw the predictions over load.
    """
    if MEASURED not in set(results.rows["evaluator"]):
        return over_load.draw(results, labels)
    table = _table(results.rows, labels)
    looks = looks_of({rule: rule for rule in table[RULE].unique()}, {})
    figure, panels = new_figure(len(BANDS))
    for axes, (metric, band) in zip(panels, BANDS.items(), strict=True):
        chosen = table[table["metric"] == metric]
        _band(axes, chosen, band)
        for rule, look in looks.items():
            points = chosen[chosen[RULE] == rule]
            axes.plot(points[MEASURED], points["predicted"], **look | {"linestyle": "none", "label": rule})
        axes.set(xlabel="measured (s)", ylabel="predicted (s)", title=time_name(metric))
    bands = " and ".join(f"{band:.0%} of the {time_name(metric)}" for metric, band in BANDS.items())
    legend_below(figure, panels, 2, NOTE.format(draws=int(results.rows["draws"].max()), bands=bands))
    return figure


def _table(rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the means of each cell, with the columns `predicted` and `rule`."""
    known = with_kinds(rows)
    table = means(known)
    predictions = [kind.name for kind in kinds_in(known, labels) if kind.name != MEASURED]
    axes = [axis for axis in cell_axes(known) if axis.split(".", 1)[0] == "service"]
    rules = [_rule(values, labels) for values in table[axes].to_dict("records")]
    return table.assign(predicted=table[predictions].bfill(axis="columns").iloc[:, 0], **{RULE: rules})


def _rule(setting: dict[Any, Any], labels: Labels) -> str:
    """Return the setting of a service model in words."""
    given = {str(axis): shown(value) for axis, value in setting.items() if value not in ("", "null")}
    words = (axis_words(axis, value, labels) for axis, value in given.items())
    return ", ".join(word for word in words if word)


def _band(axes: Axes, table: pd.DataFrame, band: float) -> None:
    """Draw the line of equal times and the band around it."""
    values = table[[MEASURED, "predicted"]].to_numpy()
    ends = np.array([0.0, values.max() * MARGIN])
    axes.fill_between(ends, ends * (1 - band), ends * (1 + band), color="0.9")
    axes.plot(ends, ends, color="0.5", linewidth=1)
    axes.set(xlim=ends, ylim=ends)
