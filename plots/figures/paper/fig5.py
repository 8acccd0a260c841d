"""Fig. 5: communication time with a server, for the first token over input length and for each further token.

If the evaluator has a measured profile, a third panel shows the cost of a message on one machine without a network.
"""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.measured_points import NOTE, lines_and_points
from plots.drawing.style import LOOKS, curve, legend_below, looks_of, new_figure, over_draws
from store.tables.labels import Labels

PANELS = (
    ("first_token_communication_s", "input tokens", "for the first token"),
    ("further_token_communication_s", "output tokens", "for each further token"),
)


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw means over servers, with intervals over clusters."""
    relayed = rows[rows["metric"].str.startswith("relay_by_tokens")]
    looks = looks_of({name: name for name in rows["constants"].unique()}, LOOKS)
    figure, panels = new_figure(len(PANELS) + (not relayed.empty))
    for axes, (metric, xlabel, title) in zip(panels, PANELS, strict=False):
        for name, look in looks.items():
            shown = rows[(rows["metric"] == metric) & (rows["constants"] == name)]
            curve(axes, look, over_draws(shown, "at"), labels("constants", name))
        axes.set(xlabel=xlabel, ylabel="communication time (s)", title=title)
        axes.set_ylim(bottom=0)
    if not relayed.empty:
        lines_and_points(panels[-1], relayed, "relay_by_tokens", "constants", labels)
        panels[-1].set(
            xlabel="tokens in a message", ylabel="time (s)", title="measured on one machine, without a network"
        )
    measured = "not measured here" if relayed.empty else f"right, {NOTE}"
    note = f"model: one round trip and an overhead a message, no term in the input length; {measured}"
    legend_below(figure, panels[:1], columns=2, note=note)
    return figure
