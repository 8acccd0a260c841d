"""Fig. 8 over load: the same comparison on the paper's default cluster, from low load to almost full load."""

from matplotlib.figure import Figure

from plots.drawing.panels import draws_in, panels_over
from plots.drawing.scheme_curves import NOTE, curves_of_schemes, draw_schemes
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD = "demand.load"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each set of constants."""
    rows, curves = curves_of_schemes(results.rows, labels, ["constants", LOAD])
    panels = panels_over(Results(rows, results.points), ["constants"])
    figure, frames = new_figure(len(panels))
    for axes, panel in zip(frames, panels, strict=True):
        draw_schemes(axes, panel, curves, LOAD, panel.title(labels))
        axes.set(xlabel="load λ/ν (ν of Proposed at c = 7)", ylabel="mean response time (s)", xlim=(0, 1))
    legend_below(figure, frames, 3, NOTE.format(draws=draws_in(results.points)))
    return figure
