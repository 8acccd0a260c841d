"""Fig. 6b: the c that each measure chooses, over load."""

from matplotlib.figure import Figure

from plots.drawing.curves import curves_of, draw_curves
from plots.drawing.panels import left_out, panels_over
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD = "demand.load"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each set of constants.

    It has a curve for each measure. A curve ends at the load from which on some draw has no c to choose.
    """
    chosen = results.rows[results.rows["metric"] == "reserved_capacity"]
    rows, curves = curves_of(chosen, labels, ["constants", LOAD], "tuning")
    panels = panels_over(Results(rows, results.points), ["constants"])
    figure, frames = new_figure(len(panels))
    for axes, panel in zip(frames, panels, strict=True):
        draw_curves(axes, panel.rows, curves, LOAD)
        axes.set(
            xlabel="load λ/ν (ν of the reference)", ylabel="chosen c (jobs)", xlim=(0, 1), title=panel.title(labels)
        )
        axes.set_ylim(bottom=0)
    legend_below(figure, frames, min(len(curves), MOST_COLUMNS), left_out(results.points, curves, LOAD))
    return figure
