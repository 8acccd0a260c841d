"""Fig. 3b: JFFC's mean response time over load, by simulation, by Theorem 4's bounds and exactly."""

from matplotlib.figure import Figure

from plots.drawing.curves import curves_of, draw_curves, mean_responses
from plots.drawing.panels import panels_over
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD = "demand.load"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each set of constants.

    It has a curve for each evaluator and metric.
    """
    rows, curves = curves_of(mean_responses(results.rows), labels, ["constants", LOAD])
    panels = panels_over(Results(rows, results.points), ["constants"])
    figure, frames = new_figure(len(panels))
    for axes, panel in zip(frames, panels, strict=True):
        draw_curves(axes, panel.rows, curves, LOAD)
        axes.set(xlabel="load λ/ν", ylabel="mean response time (s)", xlim=(0, 1), title=panel.title(labels))
    legend_below(figure, frames, min(len(curves), MOST_COLUMNS))
    return figure
