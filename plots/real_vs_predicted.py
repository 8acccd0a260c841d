"""Real runs: response, waiting and service over load, as theory and simulations predict and as they were measured."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from plots.comparison_card import card
from plots.predicted import LOOK_OF_KIND, cell_title, columns_of_cells, kinds_in, with_kinds
from plots.style import curve, legend_below, logarithmic_from_zero, new_figure, over_draws

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


LINES = (  # label, metric, places, scale
    ("mean response (s)", "response_mean_s", (None,), _logarithmic),
    ("P50, P95, P99 of response (s)", "response_quantile_s", (0.5, 0.95, 0.99), _logarithmic),
    ("mean waiting (s)", "waiting_mean_s", (None,), logarithmic_from_zero),
    ("mean service (s)", "service_mean_s", (None,), _from_zero),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A column of panels for each round trip and capacity."""
    known = with_kinds(rows)
    columns = columns_of_cells(known)
    figure, panels = new_figure(len(columns), len(LINES))
    for number, shown in enumerate(columns):
        for line, (label, metric, places, scale) in enumerate(LINES):
            axes = panels[line * len(columns) + number]
            _curves(axes, shown[shown["metric"] == metric], places, draws)
            axes.set(xlabel="load λ/ν", ylabel=label, xlim=(0, 1), title="" if line else cell_title(shown, draws))
            scale(axes)
    legend_below(figure, panels[0], len(LOOK_OF_KIND))
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, places: tuple[float | None, ...], draws: int) -> None:
    """One curve a kind and quantile."""
    for kind in kinds_in(rows):
        for place in places:
            chosen = rows[(rows["kind"] == kind) & (rows["at"].isna() if place is None else rows["at"] == place)]
            label = kind if place == places[0] else "_"
            curve(axes, LOOK_OF_KIND[kind], over_draws(chosen, "demand.load", draws), label)
