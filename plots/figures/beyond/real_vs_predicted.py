"""Real runs: response, waiting and service times over load, as predicted and as measured.

The predictions are those of theory and of simulations.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from plots.drawing.comparison_card import card
from plots.drawing.predicted import LOAD, Kind, cell_title, columns_of_cells, kinds_in, with_kinds
from plots.drawing.style import MOST_COLUMNS, curve, legend_below, logarithmic_from_zero, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

__all__ = ["card", "draw"]


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_minor_formatter(FuncFormatter(_plain))


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _from_zero(axes: Axes) -> None:
    axes.set_ylim(bottom=0)


LINES = (  # label, metric, quantiles, scale
    ("mean response (s)", "response_mean_s", (None,), _logarithmic),
    ("P50, P95, P99 of response (s)", "response_quantile_s", (0.5, 0.95, 0.99), _logarithmic),
    ("mean waiting (s)", "waiting_mean_s", (None,), logarithmic_from_zero),
    ("mean service (s)", "service_mean_s", (None,), _from_zero),
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a column of panels for each set of cells."""
    known = with_kinds(results.rows)
    columns, kinds = columns_of_cells(known), kinds_in(known, labels)
    figure, panels = new_figure(len(columns), len(LINES))
    for number, shown in enumerate(columns):
        for line, (label, metric, quantiles, scale) in enumerate(LINES):
            axes = panels[line * len(columns) + number]
            _curves(axes, shown[shown["metric"] == metric], kinds, quantiles)
            title = "" if line else cell_title(shown, known, kinds, labels)
            axes.set(xlabel="load λ/ν", ylabel=label, xlim=(0, 1), title=title)
            scale(axes)
    legend_below(figure, panels, min(len(kinds), MOST_COLUMNS))
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, kinds: Sequence[Kind], quantiles: tuple[float | None, ...]) -> None:
    """Draw a curve for each kind and quantile."""
    for name, label, look in (kind for kind in kinds if kind.name in set(rows["kind"])):
        of_kind = rows[rows["kind"] == name]
        for number, quantile in enumerate(quantiles):
            chosen = of_kind[of_kind["at"].isna() if quantile is None else of_kind["at"] == quantile]
            curve(axes, look, over_draws(chosen, LOAD), "_" if number else label)
