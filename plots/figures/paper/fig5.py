"""Fig. 5: communication time with a server, for the first token over input length and for each further token.

If the evaluator has a measured profile, a third panel shows the cost of a message on one machine without a network.
"""

from matplotlib.figure import Figure

from plots.drawing.curves import curves_of, draw_curves
from plots.drawing.measured_points import NOTE, lines_and_points
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

PANELS = (
    ("first_token_communication_s", "input tokens", "for the first token"),
    ("further_token_communication_s", "output tokens", "for each further token"),
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw means over servers, with intervals over clusters."""
    rows = results.rows
    relayed = rows[rows["metric"].str.startswith("relay_by_tokens")]
    times, curves = curves_of(
        rows[rows["metric"].isin([metric for metric, *_ in PANELS])], labels, [], "constants", True
    )
    figure, frames = new_figure(len(PANELS) + (not relayed.empty))
    for axes, (metric, xlabel, title) in zip(frames, PANELS, strict=False):
        shown = times[times["metric"] == metric]
        draw_curves(axes, shown, curves, "at")
        axes.set(xlabel=xlabel, ylabel="communication time (s)", title=title)
        axes.set_ylim(bottom=0)
    if not relayed.empty:
        lines_and_points(frames[-1], relayed, "relay_by_tokens", "constants", labels)
        frames[-1].set(
            xlabel="tokens in a message", ylabel="time (s)", title="measured on one machine, without a network"
        )
    measured = "not measured here" if relayed.empty else f"right, {NOTE}"
    note = f"model: one round trip and an overhead a message, no term in the input length; {measured}"
    legend_below(figure, frames[:1], columns=2, note=note)
    return figure
