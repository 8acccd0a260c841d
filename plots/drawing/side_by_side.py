"""Means and percentiles of real runs beside their predictions, for runs at a single load."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import axis_words
from plots.drawing.predicted import kinds_in, with_kinds
from plots.drawing.style import MOST_COLUMNS, legend_below, logarithmic_from_zero, new_figure
from store.tables.labels import Labels
from store.tables.statistics import complete_means

STATISTICS = {
    "mean\nresponse": ("response_mean_s", None),
    "P50": ("response_quantile_s", 0.5),
    "P95": ("response_quantile_s", 0.95),
    "P99": ("response_quantile_s", 0.99),
    "mean\nwaiting": ("waiting_mean_s", None),
    "mean\nservice": ("service_mean_s", None),
}
OFFSET, MOST = 0.12, 0.72  # distance between two kinds of one statistic, and from the first kind to the last


def draw_side_by_side(rows: pd.DataFrame, axis: str, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each value of the axis."""
    known = with_kinds(rows)
    kinds = kinds_in(known, labels)
    figure, panels = new_figure(known[axis].nunique())
    offset = min(OFFSET, MOST / len(kinds))
    for axes, (value, shown) in zip(panels, known.groupby(axis, sort=False), strict=True):
        present = [kind for kind in kinds if kind.name in set(shown["kind"])]
        for number, (name, label, own) in enumerate(present):
            times = _statistics(shown[shown["kind"] == name])
            look = own | {"linestyle": "none", "capsize": 2, "label": label}
            x = times.index + offset * (number - (len(present) - 1) // 2)
            axes.errorbar(x, times["mean"], times["half_width"].fillna(0.0), **look)
        _label(axes, axis_words(axis, str(value), labels))
    legend_below(figure, panels, min(len(kinds), MOST_COLUMNS))
    return figure


def _label(axes: Axes, title: str) -> None:
    axes.set(xlabel="statistic of the jobs", ylabel="time (s)", title=title)
    axes.set_xticks(range(len(STATISTICS)), list(STATISTICS))
    logarithmic_from_zero(axes)


def _statistics(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `mean` and `half_width` of each statistic.

    The index is the number of the statistic. Statistics that some draw lacks are left out.
    """
    complete = complete_means(rows, ["metric", "at"])
    statistics = {}
    for number, (metric, quantile) in enumerate(STATISTICS.values()):
        coordinates = complete["at"]
        chosen = coordinates.isna() if quantile is None else coordinates == quantile
        line = complete[(complete["metric"] == metric) & chosen]
        if len(line):
            statistics[number] = line.iloc[0][["mean", "half_width"]]
    return pd.DataFrame(statistics).T.astype(float)
