"""Fig. 2: job servers for a required rate: lower bound, integer program, GCA and two forms of the surrogate."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.panels import further_panels
from plots.drawing.style import COLOURS, LOOKS, legend_below, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

BARS = (
    ("lower bound ⌈pν/μ₁⌉", "lower_bound_job_servers", {"color": "0.85"}),
    ("optimal ILP over GCA's chains", "ilp_job_servers", {"color": COLOURS[1], "hatch": "//"}),
    ("GCA", "gca_job_servers", {"color": COLOURS[0]}),
)
SURROGATES = (
    ("surrogate c·K(c), where every draw reaches the rate", "surrogate_job_servers", "--"),
    ("c times all chains, as in the authors' simulator", "all_chains_job_servers", ":"),
)
WIDTH = 2.6  # of a bar, in per cent of the axis; groups of bars are 10 % apart


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each set of constants.

    If points differ in further settings, there is a panel for each of these.
    """
    panels = further_panels(results, ["constants"])
    figure, frames = new_figure(len(panels))
    for axes, panel in zip(frames, panels, strict=True):
        _draw_panel(axes, panel.rows)
        axes.set(xlabel="required rate λ/ρ̄ (% of ν)", ylabel="job servers (jobs)", title=panel.title(labels))
    legend_below(figure, frames, 2)
    return figure


def _draw_panel(axes: Axes, shown: pd.DataFrame) -> None:
    for number, (label, metric, look) in enumerate(BARS):
        counts = over_draws(shown[shown["metric"] == metric], "at")
        axes.bar(
            100 * counts.index + (number - 1) * WIDTH,
            counts["mean"],
            WIDTH,
            yerr=counts["half_width"].fillna(0.0),
            label=label,
            capsize=2,
            edgecolor="black",
            linewidth=0.5,
            error_kw={"elinewidth": 0.8},
            **look,
        )
    for label, metric, linestyle in SURROGATES:
        reserved = over_draws(shown[shown["metric"] == metric], "at")
        half_width = reserved["half_width"].fillna(0.0)
        look = LOOKS["surrogate"] | {"color": "black", "linestyle": linestyle}
        axes.errorbar(100 * reserved.index, reserved["mean"], yerr=half_width, label=label, capsize=2, **look)
    axes.set_xticks(range(10, 100, 10))
    axes.grid(visible=False, axis="x")
