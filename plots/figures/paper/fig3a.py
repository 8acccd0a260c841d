"""Fig. 3a: simulated mean response time over load under each dispatch policy, and JFFC's exact value."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import Curve, curves_of, mean_responses
from plots.drawing.style import MOST_COLUMNS, by_constants, curve, legend_below, new_figure, over_draws
from store.tables.labels import Labels

LOAD = "demand.load"
PER_DRAW = [LOAD, "draw", "replication"]
REFERENCE = "jffc"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw means above, and losses against JFFC below.

    Losses are on the same jobs. They show differences that are too small to see between the means. Without JFFC only
    the means are drawn.
    """
    drawn = curves_of(mean_responses(rows), labels, ["constants", LOAD], "dispatch")
    pairs = _pairs(drawn.curves)
    columns = drawn.rows["constants"].nunique()
    figure, panels = new_figure(columns, lines=2 if pairs else 1)
    for axes, shown, title in by_constants(panels[:columns], drawn.rows, labels):
        _draw_means(axes, shown, drawn.curves, draws)
        axes.set(title=title, ylabel="mean response time (s)")
    for axes, shown, title in by_constants(panels[columns:], drawn.rows, labels) if pairs else ():
        _draw_losses(axes, shown, pairs, draws)
        axes.set(title=f"{title}, paired", ylabel=f"mean response time beyond {labels('dispatch', REFERENCE)}'s (s)")
    for axes in panels:
        axes.set(xlabel="load λ/ν", xlim=(0, 1))
    legend_below(figure, panels, min(len(drawn.curves), MOST_COLUMNS), _left_out(drawn.rows, drawn.curves))
    return figure


def _pairs(curves: Sequence[Curve]) -> list[tuple[Curve, Curve]]:
    """Return the curves of policies, each with its reference.

    The curve of the reference is that under the same settings.
    """
    references = {line.rest: line for line in curves if line.is_plain and line.subject == REFERENCE}
    return [(line, references[line.rest]) for line in curves if line.is_plain and line.rest in references]


def _draw_means(axes: Axes, rows: pd.DataFrame, curves: Sequence[Curve], draws: int) -> None:
    for label, look, *_ in curves:
        curve(axes, look, over_draws(rows[rows["curve"] == label], LOAD), label)


def _draw_losses(axes: Axes, rows: pd.DataFrame, pairs: Sequence[tuple[Curve, Curve]], draws: int) -> None:
    """Draw the differences from the reference with their intervals.

    The differences are paired, because every policy has the same jobs on the same clusters.
    """
    by_curve = dict(iter(rows.groupby("curve")))
    for policy, reference in pairs:
        if policy.label in by_curve and reference.label in by_curve:
            both = by_curve[policy.label].merge(by_curve[reference.label][[*PER_DRAW, "value"]], on=PER_DRAW)
            loss_s = both.assign(value=both["value_x"] - both["value_y"]).drop(columns=["value_x", "value_y"])
            curve(axes, policy.look, over_draws(loss_s, LOAD), policy.label)


def _left_out(rows: pd.DataFrame, curves: Sequence[Curve]) -> str | None:
    """Return a note on policies that lack some load.

    Other policies have that load. A policy that lacks it has no steady state there.
    """
    loads = {line.label: set(rows.loc[rows["curve"] == line.label, LOAD]) for line in curves if line.is_plain}
    missing = {label: sorted(set().union(*loads.values()) - present) for label, present in loads.items()}
    lacking = [f"{label} at {', '.join(values)}" for label, values in missing.items() if values]
    return f"no steady state: {'; '.join(lacking)}" if lacking else None
