"""Capacity over c: the total rate of equation (4), and what servers sustain if requests slow each other.

Beside the rates stands the use of the busiest server while jobs always wait. It says how much of the loss is time in
which no server could have computed more.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plots.drawing.curves import SERVICE, Curve, curves_of, distinguishing_axes, draw_curves
from plots.drawing.panels import draws_in, panels_over
from plots.drawing.style import LOOKS, curve, legend_below, logarithmic_at, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

C = "tuning.capacity"
SUSTAINED, TOTAL, UTILISATION = "saturation_rate_per_s", "total_rate_per_s", "server_utilisation"
TOTAL_LABEL = "equation (4)"
PER_DRAW = ["point", "draw", "replication"]
COLUMNS = 3  # of the legend
NOTE = "means of {draws} clusters with 95 % intervals, while jobs always wait"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw rates, and beside them the use of the busiest server.

    There is a line of panels for each combination of settings other than c and the service model.
    """
    sustained = results.rows[results.rows["metric"] == SUSTAINED]
    panels = panels_over(results, distinguishing_axes(sustained, [C, SERVICE]))
    _, curves = curves_of(sustained, labels, [C, *panels[0].setting], SERVICE)
    figure, frames = new_figure(2, len(panels), size_in=(9.6, 3.8 * len(panels)))
    for rates, use, panel in zip(frames[::2], frames[1::2], panels, strict=True):
        _draw_total(rates, panel.rows)
        draw_curves(rates, _named(panel.rows[panel.rows["metric"] == SUSTAINED], curves), curves, C)
        busiest = _busiest(panel.rows)
        draw_curves(use, _named(busiest, curves), [line for line in curves if line.subject in set(busiest[SERVICE])], C)
        title = panel.title(labels)
        rates.set(ylabel="capacity (jobs/s)", title=title)
        use.set(ylabel="use of the busiest server (%)", title=title)
        use.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    for axes in frames:
        logarithmic_at(axes, results.rows[C])
        axes.set_xlabel("reserved capacity c (jobs)")
        axes.set_ylim(bottom=0)
    legend_below(figure, frames, COLUMNS, NOTE.format(draws=draws_in(results.points)))
    return figure


def _draw_total(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the total rate, which does not depend on the service model."""
    total = rows[rows["metric"] == TOTAL]
    first = total.drop_duplicates([C, "draw", "replication"])
    curve(axes, LOOKS["exact"], over_draws(first, C), TOTAL_LABEL)


def _busiest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the use of the busiest server in each draw and replication."""
    used = rows[rows["metric"] == UTILISATION]
    return used.loc[used.groupby(PER_DRAW)["value"].idxmax()].assign(at=float("nan"))


def _named(rows: pd.DataFrame, curves: Sequence[Curve]) -> pd.DataFrame:
    """Return the rows with the column `curve`."""
    return rows.assign(curve=rows[SERVICE].map({line.subject: line.label for line in curves}))
