"""Chunked prompts over the rate: mean response times if prompts are computed whole or in chunks.

One prompt stops all decoding jobs behind it. Chunks let them pass, but each chunk visits all servers of the chain, and
reads their weights again.
"""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.figure import Figure

from plots.drawing.curves import SERVICE, Curve, curves_of, mean_responses
from plots.drawing.panels import draws_in, panel_grid
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure, share_logarithmic
from store.tables.labels import Labels, joined
from store.tables.reading import Results
from store.tables.statistics import shown

RATE, CHUNK, NETWORK = "demand.per_s", "service.prefill_chunk_tokens", "network"
WIDER = 1.08  # an axis of rates than its last rate


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a line of panels for each network and a column for each service model."""
    chunks = {shown(tokens): f"chunks of {shown(tokens)} tokens" for tokens in results.rows[CHUNK].unique()}
    words = joined([Labels({CHUNK: chunks}), labels])
    rows, drawn = curves_of(mean_responses(results.rows), words, [RATE, NETWORK, SERVICE], CHUNK)
    curves, rates = _in_order(drawn), results.points[RATE]
    grid = panel_grid(Results(rows, results.points), NETWORK, SERVICE)
    figure, frames = new_figure(len(grid[0]), len(grid), size_in=(3.6 * len(grid[0]), 3.8 * len(grid)))
    share_logarithmic(frames)
    for axes, panel in zip(frames, (panel for line in grid for panel in line), strict=True):
        draw_with_refusals(axes, panel, curves, RATE, panel.title(labels))
        axes.set(xlabel="arrival rate λ (1/s)", ylabel="mean response time (s)", xlim=(0, WIDER * rates.max()))
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(results.points)))
    return figure


def _in_order(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves by falling size of chunks, in colours from dark to light."""
    ordered = sorted(curves, key=lambda line: (-float(line.subject), line.label))
    colours = sns.color_palette("viridis", len(ordered) + 1)  # the last one is too light on white
    return [line._replace(look=line.look | {"color": colour}) for line, colour in zip(ordered, colours, strict=False)]
