"""Dispatch if requests slow each other: mean response times of policies over load, and over the slots per chain.

JFFC fills the fastest chain to its last slot, so it loses where a chain has many. The fewer slots a chain may have, the
less the policies differ, and the sooner requests wait.
"""

from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, axis_words, curves_of, mean_responses
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, logarithmic, logarithmic_at, wrapped_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import shown

POLICY, LIMIT, RATE, C = "dispatch", "allocation.most_per_chain", "demand.per_s", "tuning.capacity"
DEMAND = "demand"
OVER_LOAD = ("model", "algorithm", C)
OVER_SLOTS = (*OVER_LOAD, DEMAND, RATE)
SYMBOLS = {C: "c = {}", RATE: "λ = {}/s"}
MOST_IN_A_LINE = 3  # panels
WIDER = 1.08  # an axis of rates than its last rate
PANEL_IN = (4.0, 3.2)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each system over load, and for each one over slots."""
    rows, curves = curves_of(mean_responses(results.rows), labels, [*OVER_SLOTS, LIMIT], POLICY)
    panels = _panels(Results(rows, results.points))
    lines = ceil(len(panels) / MOST_IN_A_LINE)
    figure, frames = wrapped_figure(len(panels), ceil(len(panels) / lines), PANEL_IN)
    for axes, (panel, axis) in zip(frames, panels, strict=True):
        _draw_panel(axes, panel, axis, curves, labels)
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(results.points)))
    return figure


def _panels(results: Results) -> list[tuple[Panel, str]]:
    """Return the panels with their x axes: those without a limit of slots first."""
    if LIMIT not in results.rows:
        return [(panel, RATE) for panel in panels_over(results, OVER_LOAD)]
    free = Results(*(table[table[LIMIT].isna()] for table in results))
    limited = Results(*(table[table[LIMIT].notna()] for table in results))
    over_load = [(panel, RATE) for panel in panels_over(free, OVER_LOAD) if len(panel.rows)]
    return over_load + [(panel, LIMIT) for panel in panels_over(limited, OVER_SLOTS) if len(panel.rows)]


def _draw_panel(axes: Axes, panel: Panel, axis: str, curves: list[Curve], labels: Labels) -> None:
    draw_with_refusals(axes, panel, curves, axis, _title(panel, labels))
    logarithmic(axes)
    if axis == LIMIT:
        logarithmic_at(axes, panel.points[LIMIT])
        axes.set(ylabel="mean response time (s)", xlabel="most slots per chain (jobs)")
    else:
        axes.set(ylabel="mean response time (s)", xlabel="arrival rate λ (1/s)")
        axes.set_xlim(0, WIDER * panel.points[RATE].max())


def _title(panel: Panel, labels: Labels) -> str:
    """Return the setting of a panel in words; c and λ have symbols.

    A rate needs no word for the kind of demand.
    """
    setting = {axis: value for axis, value in panel.setting.items() if pd.notna(value)}
    if RATE in setting:
        setting.pop(DEMAND, None)
    parts = (
        SYMBOLS[axis].format(shown(value)) if axis in SYMBOLS else axis_words(axis, shown(value), labels)
        for axis, value in setting.items()
    )
    return ", ".join(filter(None, parts))
