"""Fig. 4: computation time on each GPU profile, over the blocks it runs, the input length and the output length.

Where a profile was measured its points are drawn beside the fitted line, and one further panel shows decoding over the
context, of which the model knows nothing.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import LOOKS, legend_below, new_figure, over_draws

PANELS = (
    ("prefill_by_blocks", "blocks", "prefill time (s)", "prompt of mean length"),
    ("prefill_by_input", "input tokens", "prefill time (s)", "one block"),
    ("decode_by_output", "output tokens", "decoding time (s)", "one block, all tokens after the first"),
    ("decode_by_context", "context (tokens)", "decoding time (s)", "one block, one token"),
)
POINTS: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 3, "capsize": 2, "elinewidth": 0.8}


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A profile is the same in every draw. Curves are those of profiles, or of models on one profile."""
    named = "profile" if "profile" in rows else "model"
    shown = [panel for panel in PANELS if f"{panel[0]}_s" in set(rows["metric"])]
    figure, panels = new_figure(2, 2) if len(shown) == 4 else new_figure(len(shown))
    for axes, (metric, xlabel, ylabel, title) in zip(panels, shown, strict=True):
        for name, of_one in rows.groupby(named, sort=False):
            _line_and_points(axes, of_one, metric, str(name))
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        axes.set_ylim(bottom=0)
    legend_below(figure, panels[1], columns=4, note=_note(rows, named))
    return figure


def _line_and_points(axes: Axes, rows: pd.DataFrame, metric: str, name: str) -> None:
    """The model's line; and medians from P10 to P90 where there are points, in its colour."""
    line = over_draws(rows[rows["metric"] == f"{metric}_s"], "at", draws=1)
    median, p10, p90 = (
        over_draws(rows[rows["metric"] == f"{metric}_{ending}_s"], "at", draws=1)["mean"]
        for ending in ("measured", "p10", "p90")
    )
    look = {"linestyle": "-"} if len(median) else LOOKS.get(name, {"marker": "."})
    [drawn] = axes.plot(line.index, line["mean"], label=name, **look)
    if len(median):
        spread = (median - p10, p90 - median)
        label = f"{name}, measured"
        axes.errorbar(median.index, median, yerr=spread, color=drawn.get_color(), label=label, **POINTS)


def _note(rows: pd.DataFrame, named: str) -> str | None:
    modelled = rows.loc[(rows["metric"] == "measured_fit") & (rows["value"] == 0), named]
    if len(modelled):
        return f"model of footnote 2; no measured points in {', '.join(modelled)}"
    return "lines: footnote 2 fitted to measurements; points: medians from P10 to P90"
