"""Fig. 4 on a measured machine: prefill and decoding times of two small models, and the cost of a message.

Times are those of the models' blocks; the message goes to a server. The lines are the time model of footnote 2. The
model ignores the length of the context, over which decoding is shown here.
"""

from matplotlib.figure import Figure

from plots.drawing.measured_points import lines_and_points, reading_note
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

PANELS = (
    ("prefill_by_blocks", "blocks", "prefill time (s)", "prompt of mean length"),
    ("prefill_by_input", "input tokens", "prefill time (s)", "one block"),
    ("decode_by_context", "context (tokens)", "decoding time (s)", "one block, one token"),
    ("relay_by_tokens", "tokens in a message", "time (s)", "to a server process and back, without its computation"),
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each measurement, with each model's curve.

    A quick profile has no measurements of messages (`relay`). Raises `KeyError` if the rows have none of the metrics.
    """
    shown = [panel for panel in PANELS if results.rows["metric"].str.startswith(panel[0]).any()]
    if not shown:
        raise KeyError(", ".join(metric for metric, *_ in PANELS))
    figure, panels = new_figure(2, 2) if len(shown) == len(PANELS) else new_figure(len(shown))
    for axes, (metric, xlabel, ylabel, title) in zip(panels, shown, strict=True):
        lines_and_points(axes, results.rows, metric, "model", labels)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    legend_below(figure, panels, columns=4, note=reading_note(results.rows, "model", labels))
    return figure
