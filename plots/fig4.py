"""Fig. 4: computation time on each GPU profile, over the blocks it runs, the input length and the output length."""

import pandas as pd
from matplotlib.figure import Figure

from plots.style import LOOKS, legend_below, new_figure, over_draws

PANELS = (
    ("prefill_by_blocks_s", "blocks", "prefill time (s)", "prompt of mean length"),
    ("prefill_by_input_s", "input tokens", "prefill time (s)", "one block"),
    ("decode_by_output_s", "output tokens", "decoding time (s)", "one block, all tokens after the first"),
)


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A profile is the same in every draw."""
    figure, panels = new_figure(len(PANELS))
    for axes, (metric, xlabel, ylabel, title) in zip(panels, PANELS, strict=True):
        for profile, shown in rows[rows["metric"] == metric].groupby("profile", sort=False):
            line = over_draws(shown, "at", draws=1)
            axes.plot(line.index, line["mean"], label=profile, **LOOKS.get(str(profile), {"marker": "."}))
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        axes.set_ylim(bottom=0)
    modelled = rows.loc[(rows["metric"] == "measured_fit") & (rows["value"] == 0), "profile"]
    note = f"model of footnote 2; no measured points in {', '.join(modelled)}" if len(modelled) else None
    legend_below(figure, panels[0], columns=4, note=note)
    return figure
