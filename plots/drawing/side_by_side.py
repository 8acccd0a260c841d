"""Means and percentiles of real runs beside their predictions, for runs at a single load."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.panels import panels_over
from plots.drawing.predicted import cell_axes, cell_words, kinds_in, with_kinds
from plots.drawing.style import MOST_COLUMNS, legend_below, logarithmic_from_zero, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
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


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each cell."""
    known = with_kinds(results.rows)
    kinds, axes_of_cells = kinds_in(known, labels), cell_axes(known)
    cells = panels_over(results._replace(rows=known), axes_of_cells)
    figure, frames = new_figure(len(cells))
    offset = min(OFFSET, MOST / len(kinds))
    for axes, cell in zip(frames, cells, strict=True):
        present = [kind for kind in kinds if kind.name in set(cell.rows["kind"])]
        for number, (name, label, own) in enumerate(present):
            times = _statistics(cell.rows[cell.rows["kind"] == name])
            look = own | {"linestyle": "none", "capsize": 2, "label": label}
            x = times.index + offset * (number - (len(present) - 1) // 2)
            axes.errorbar(x, times["mean"], times["half_width"].fillna(0.0), **look)
        title = ", ".join(cell_words(cell.setting, known, labels))
        axes.set(xlabel="statistic of the jobs", ylabel="time (s)", title=title)
        axes.set_xticks(range(len(STATISTICS)), list(STATISTICS))
        logarithmic_from_zero(axes)
    legend_below(figure, frames, min(len(kinds), MOST_COLUMNS))
    return figure


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
