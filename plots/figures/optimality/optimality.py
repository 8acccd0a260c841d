"""Optimality: mean response times of schemes over load, and how far above the certified bound they are.

No composition has a mean response time below the bound, under any dispatch policy. So the gap of a scheme is the most
that any other could gain on it. Gaps are taken in each draw, as draws have different clusters.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, draw_curves
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.scheme_curves import FRAME, NOTE, curves_of_schemes, draw_schemes
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure
from plots.figures.optimality.certified_gaps import CLUSTER, LOAD, cluster_words, gap_lines, gaps
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means

PANEL_IN = 3.2, 2.9
INTRODUCTION = (
    "Mean response times in % above the bound, which no composition of the same servers can beat under any policy.\n"
    "Means of {draws} draws of the cluster with 95 % half-widths; a dash where a draw is unstable or not run."
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a column for each cluster: response times above, gaps below."""
    panels, curves = _panels(results, labels)
    figure, frames = new_figure(len(panels), 2, size_in=(PANEL_IN[0] * len(panels), 2 * PANEL_IN[1] + 1))
    for above, below, panel in zip(frames, frames[len(panels) :], panels, strict=False):
        draw_schemes(above, panel, curves, LOAD, "\n".join(cluster_words(panel.setting, labels)))
        above.set(ylabel="mean response time (s)")
        _draw_gaps(below, gaps(panel.rows), curves)
        below.set(ylabel="above the bound (%)")
    for axes in frames:
        axes.set(xlabel="load (of the largest ν over c)", xlim=(0, 1))
    legend_below(figure, frames, MOST_COLUMNS, NOTE.format(draws=draws_in(results.points)))
    return figure


def card(results: Results, labels: Labels) -> str:
    """Return the certified gaps as a page of Markdown."""
    panels, curves = _panels(results, labels)
    names = [line.label for line in curves]
    introduction = INTRODUCTION.format(draws=draws_in(results.points))
    return "\n".join(["# Certified gaps", "", introduction, "", *gap_lines(panels, names, labels)])


def _panels(results: Results, labels: Labels) -> tuple[list[Panel], list[Curve]]:
    """Return the panels of the clusters, and the curves of schemes and bounds."""
    curved, curves = curves_of_schemes(results.rows, labels, [*CLUSTER, LOAD])
    others = results.rows.loc[results.rows.index.difference(curved.index)]
    return panels_over(Results(pd.concat([curved, others]), results.points), CLUSTER), curves


def _draw_gaps(axes: Axes, rows: pd.DataFrame, curves: Sequence[Curve]) -> None:
    """Draw gaps over load, in a frame as high as the better schemes need."""
    draw_curves(axes, rows, [line for line in curves if line.label in set(rows["curve"])], LOAD)
    means = complete_means(rows, ["curve", LOAD]).groupby("curve")["mean"]
    longest = means.size() == means.size().max()
    axes.set_ylim(0, min(1.05 * axes.dataLim.y1, FRAME * means.max()[longest].min()))
