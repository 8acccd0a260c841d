"""Chunked prompts over the rate: mean response times by the most tokens of prompts that are computed at once.

One prompt stops all decoding jobs behind it. Chunks let them pass, but each chunk visits all servers of the chain, and
reads their weights again.
"""

from collections.abc import Sequence
from math import inf

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plots.drawing.curves import NONE, SERVICE, Curve, curves_of, mean_responses
from plots.drawing.panels import draws_in, panel_grid
from plots.drawing.scheme_curves import REFUSALS, draw_with_refusals
from plots.drawing.style import MOST_COLUMNS, legend_below, new_figure, share_logarithmic
from store.tables.labels import Labels, joined
from store.tables.reading import Results
from store.tables.statistics import shown

RATE, NETWORK = "demand.per_s", "network"
CHUNK, BUDGET = "service.prefill_chunk_tokens", "service.budget_tokens"
TOKENS = "prompt_tokens"  # at most so many tokens of prompts are computed at once
WIDER = 1.08  # an axis of rates than its last rate


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a line of panels for each network, a column for each service."""
    rows, points = with_tokens(mean_responses(results.rows)), with_tokens(results.points)
    sizes = {shown(tokens): f"{shown(tokens)} tokens at once" for tokens in points[TOKENS].dropna().unique()}
    sizes[NONE] = "no limit stated"
    rows, drawn = curves_of(rows, joined([Labels({TOKENS: sizes}), labels]), [RATE, NETWORK, SERVICE], TOKENS)
    curves, grid = _in_order(drawn), panel_grid(Results(rows, points), NETWORK, SERVICE)
    size_in = (3.6 * len(grid[0]), 3.8 * len(grid))
    figure, frames = new_figure(len(grid[0]), len(grid), size_in=size_in)
    share_logarithmic(frames)
    for axes, panel in zip(frames, (panel for line in grid for panel in line), strict=True):
        draw_with_refusals(axes, panel, curves, RATE, panel.title(labels))
        axes.set(xlabel="arrival rate λ (1/s)", ylabel="mean response time (s)", xlim=(0, WIDER * points[RATE].max()))
    legend_below(figure, frames, MOST_COLUMNS, REFUSALS.format(draws=draws_in(points)))
    return figure


def with_tokens(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the column `TOKENS`.

    It is the size of chunks, or else the budget of a batch. Raises `KeyError` if the points have neither.
    """
    present = [axis for axis in (CHUNK, BUDGET) if axis in table]
    if not present:
        raise KeyError(CHUNK)
    return table.assign(**{TOKENS: table[present].bfill(axis=1).iloc[:, 0]})


def _in_order(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves by falling number of tokens, in colours from dark to light."""
    ordered = sorted(curves, key=lambda line: (-float(line.subject or inf), line.label))
    colours = sns.color_palette("viridis", len(ordered) + 1)  # the last one is too light on white
    return [line._replace(look=line.look | {"color": colour}) for line, colour in zip(ordered, colours, strict=False)]
