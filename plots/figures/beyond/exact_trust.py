"""How far the exact theory can be trusted: simulated mean response times relative to the exact ones.

The theory is for Poisson arrivals and exponential sizes. Each panel shows one load, and each cell simulated jobs whose
gaps and sizes have a stated standard deviation over their mean (cv). An error is taken in each draw, as the draws have
different clusters.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import EVALUATOR, MEAN, distinguishing_axes
from plots.drawing.pairs import paired
from plots.drawing.panels import draws_in, panels_over
from plots.drawing.style import wrapped_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means, shown

EXACT, LOAD = "exact", "demand.load"
ARRIVALS, SIZES = "workload.arrivals.cv", "workload.size_cv"
BAND = 10.0  # of trust, in %
DEEPEST = 100.0  # errors with the deepest colour
IN_A_LINE = 4  # panels
PANEL_IN = 3.3, 2.5
NOTE = (
    "simulated mean response time, in % above the exact one: means of {draws} draws and 95 % half-widths; "
    "bold: more than {band:g} % off even at the near end of the interval"
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each load, and for each further axis."""
    errors = _errors(results.rows)
    panels = panels_over(Results(errors, results.points), [LOAD, *distinguishing_axes(errors, [LOAD, ARRIVALS, SIZES])])
    figure, frames = wrapped_figure(len(panels), min(len(panels), IN_A_LINE), PANEL_IN)
    for axes, panel in zip(frames, panels, strict=True):
        _map(axes, complete_means(panel.rows, [SIZES, ARRIVALS]))
        axes.set(xlabel="cv of the gaps", ylabel="cv of the sizes", title=f"{panel.title(labels)} (%)")
    figure.supxlabel(NOTE.format(draws=draws_in(results.points), band=BAND), fontsize="small")
    return figure


def _errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return simulated means, each in % above the exact mean of its draw.

    Raises `KeyError` if no simulated mean has an exact one.
    """
    means = rows[rows["metric"] == MEAN]
    exact, simulated = means[means[EVALUATOR] == EXACT], means[means[EVALUATOR] != EXACT]
    keys = [LOAD, *distinguishing_axes(exact, [LOAD]), "draw"]
    pairs = paired(simulated, exact, keys) if len(exact) else simulated.iloc[:0]
    if pairs.empty:
        raise KeyError("simulated and exact means of the same load")
    return pairs.assign(value=100 * (pairs["value"] / pairs["reference"] - 1)).drop(columns="reference")


def _map(axes: Axes, cells: pd.DataFrame) -> None:
    """Draw the errors as colours and numbers."""
    table = cells.pivot_table("mean", SIZES, ARRIVALS)
    axes.imshow(table, cmap="RdBu_r", vmin=-DEEPEST, vmax=DEEPEST, alpha=0.6, origin="lower", aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(table.columns.size), [shown(value) for value in table.columns])
    axes.set_yticks(range(table.index.size), [shown(value) for value in table.index])
    for cell in cells.fillna({"half_width": 0.0}).to_dict("records"):
        is_off = abs(cell["mean"]) - cell["half_width"] > BAND
        corner = list(table.columns).index(cell[ARRIVALS]), list(table.index).index(cell[SIZES])
        words = f"{cell['mean']:+z.1f}\n±{cell['half_width']:.1f}"
        axes.text(*corner, words, ha="center", va="center", fontsize=7, weight="bold" if is_off else "normal")
