"""How accurate the theory of requests that slow each other is: its error against the step simulator, system by system.

Each point is one random system at one share of ν', the largest stable rate by theory. A panel shows the error over one
property of the systems; the line is the median over its neighbours, the band holds the middle 80 %.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.style import COLOURS, legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

LOAD = "load"
TRUSTED = 0.9  # of ν'
SYSTEM = ["point", "draw", "replication"]
# The properties, with the words of their axes and whether they are logarithmic.
PROPERTIES = {
    LOAD: ("arrival rate over ν' of the theory", False),
    "tuning.capacity": ("reserved capacity c (jobs)", True),
    "computation_share": ("share of computation in the service time alone", False),
    "prompt_share": ("share of the prompt in computation", False),
}
BINS = 6
WORST = 100.0  # percent; errors beyond it are drawn there
NOTE = (
    "{systems} random systems, each at {loads} loads. Below .9 ν' the median error is {median:.1f} %, {near:.0%} are "
    "within 20 %, and {unstable} of {trusted} are unstable in the simulation (at the lower edge)."
)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw the error of the mean response over each property."""
    systems = errors(results.rows)
    trusted = systems[systems[LOAD] < TRUSTED]
    figure, frames = new_figure(2, 2)
    for axes, (name, (words, logarithmic)) in zip(frames, PROPERTIES.items(), strict=True):
        if logarithmic:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        _draw_errors(axes, systems if name == LOAD else trusted, name)
        axes.set(xlabel=words, ylabel="error of the mean response (%)", ylim=(-1.05 * WORST, 1.05 * WORST))
    legend_below(figure, frames[:1], 3, _note(systems, trusted))
    return figure


def errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each system and load, with its `error` in percent.

    Where the simulation is unstable, theory is too low by any factor: the error is -100 %.
    """
    at_load = rows[rows["at"].notna()]
    keys = [*SYSTEM, "tuning.capacity", "at"]
    table = at_load.pivot_table(index=keys, columns="metric", values="value").reset_index()
    table["error"] = 100 * (table["response_theory_s"] / table["response_simulated_s"] - 1)
    table["error"] = table["error"].where(table["response_simulated_s"].notna(), -100.0)
    table["tuning.capacity"] = table["tuning.capacity"].astype(float)
    # The names of points change with the code; points that overlap must not be drawn in another order then.
    return table.rename(columns={"at": LOAD}).sort_values([*PROPERTIES, "draw"])


def _draw_errors(axes: Axes, systems: pd.DataFrame, name: str) -> None:
    """Draw the errors as points, and their median and middle 80 % in bins."""
    x, error = systems[name], systems["error"].clip(-WORST, WORST)
    axes.axhspan(-20, 20, color="0.93", zorder=0)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    axes.plot(x, error, ".", color=COLOURS[0], markersize=2.5, alpha=0.5, label="one system at one load")
    bins = x if x.nunique() <= 2 * BINS else pd.qcut(x, BINS, labels=False)
    grouped = pd.DataFrame({"x": x, "error": error}).groupby(bins)
    middle, centre = grouped["error"], grouped["x"].median()
    low, high = middle.quantile(0.1), middle.quantile(0.9)
    axes.fill_between(centre, low, high, color=COLOURS[1], alpha=0.3, label="middle 80 %")
    axes.plot(centre, middle.median(), color=COLOURS[3], marker="o", markersize=4, label="median")
    if name == LOAD:
        axes.axvline(TRUSTED, color="black", linestyle=":", linewidth=1)


def _note(systems: pd.DataFrame, trusted: pd.DataFrame) -> str:
    error = trusted["error"].abs()
    return NOTE.format(
        systems=len(systems.drop_duplicates(SYSTEM)),
        loads=systems[LOAD].nunique(),
        median=float(np.median(error)),
        near=float((error <= 20).mean()),
        unstable=int(trusted["response_simulated_s"].isna().sum()),
        trusted=len(trusted),
    )
