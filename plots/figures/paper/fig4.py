"""Fig. 4: computation time on each GPU profile, over blocks, input length and output length."""

from matplotlib.figure import Figure

from plots.drawing.measured_points import lines_and_points, reading_note
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

PANELS = (
    ("prefill_by_blocks", "blocks", "prefill time (s)", "prompt of mean length"),
    ("prefill_by_input", "input tokens", "prefill time (s)", "one block"),
    ("decode_by_output", "output tokens", "decoding time (s)", "one block, all tokens after the first"),
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw the lines and the measured points of each profile.

    Profiles that were not measured have no points. Lines and points are the same in every draw.
    """
    figure, panels = new_figure(len(PANELS))
    for axes, (metric, xlabel, ylabel, title) in zip(panels, PANELS, strict=True):
        lines_and_points(axes, results.rows, metric, "profile", labels)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    legend_below(figure, panels, columns=4, note=reading_note(results.rows, "profile", labels))
    return figure
