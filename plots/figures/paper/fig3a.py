"""Fig. 3a: simulated mean response time over load under each dispatch policy, and JFFC's exact value."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of, draw_curves, mean_responses
from plots.drawing.pairs import paired
from plots.drawing.panels import left_out, panels_over
from plots.drawing.style import MOST_COLUMNS, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD = "demand.load"
PER_DRAW = [LOAD, "draw", "replication"]
REFERENCE = "jffc"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw means above, and losses against JFFC below.

    Losses are on the same jobs. They show differences that are too small to see between the means. Without JFFC only
    the means are drawn.
    """
    rows, curves = curves_of(mean_responses(results.rows), labels, ["constants", LOAD], "dispatch")
    pairs = _pairs(curves)
    panels = panels_over(Results(rows, results.points), ["constants"])
    figure, frames = new_figure(len(panels), lines=2 if pairs else 1)
    for axes, panel in zip(frames, panels, strict=False):
        draw_curves(axes, panel.rows, curves, LOAD)
        axes.set(title=panel.title(labels), ylabel="mean response time (s)")
    for axes, panel in zip(frames[len(panels) :], panels if pairs else [], strict=True):
        _draw_losses(axes, panel.rows, pairs)
        title = ", ".join(filter(None, [panel.title(labels), "paired"]))
        axes.set(title=title, ylabel=f"mean response time beyond {labels('dispatch', REFERENCE)}'s (s)")
    for axes in frames:
        axes.set(xlabel="load λ/ν", xlim=(0, 1))
    legend_below(figure, frames, min(len(curves), MOST_COLUMNS), left_out(results.points, curves, LOAD))
    return figure


def _pairs(curves: Sequence[Curve]) -> list[tuple[Curve, Curve]]:
    """Return the curves of policies, each with its reference.

    The curve of the reference is that under the same settings.
    """
    references = {line.rest: line for line in curves if line.is_plain and line.subject == REFERENCE}
    return [(line, references[line.rest]) for line in curves if line.is_plain and line.rest in references]


def _draw_losses(axes: Axes, rows: pd.DataFrame, pairs: Sequence[tuple[Curve, Curve]]) -> None:
    """Draw the differences from the reference with their intervals.

    The differences are paired, because every policy has the same jobs on the same clusters.
    """
    by_curve = dict(iter(rows.groupby("curve")))
    for policy, reference in pairs:
        if policy.label in by_curve and reference.label in by_curve:
            both = paired(by_curve[policy.label], by_curve[reference.label], PER_DRAW)
            loss_s = both.assign(value=both["value"] - both["reference"]).drop(columns="reference")
            curve(axes, policy.look, over_draws(loss_s, LOAD), policy.label)
