"""Fig. 7: inter-arrival times of a workload and service times on the fastest chains, against exponential ones."""

from math import ceil

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.panels import further_panels
from plots.drawing.style import COLOURS, LOOKS, mean_of, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.reading import Results

MOST_PANELS = 3  # in a line
FACTS = ("mean_gap_s", "rate_per_s", "gap_cv", "longest_gap_s")


def draw(results: Results, labels: Labels) -> Figure:
    """Draw gaps once, and service times for each constants set.

    If points differ in further settings, there is a panel for each of these.
    """
    evaluator = results.rows["evaluator"]
    gaps, services = (
        further_panels(results._replace(rows=results.rows[evaluator == name]), ["constants"] if by_constants else [])
        for name, by_constants in (("gaps", False), ("service_times", True))
    )
    count = len(gaps) + len(services)
    figure, frames = new_figure(min(count, MOST_PANELS), ceil(count / MOST_PANELS))
    for axes, panel in zip(frames, gaps, strict=False):
        _draw_gaps(axes, panel.rows)
        axes.set(title="\n".join(filter(None, ["inter-arrival times", panel.title(labels)])))
    for axes, panel in zip(frames[len(gaps) : count], services, strict=True):
        _draw_services(axes, panel.rows)
        axes.set(title="\n".join(filter(None, ["service times", panel.title(labels)])))
    for axes in frames[count:]:
        axes.set_axis_off()
    return figure


def _draw_gaps(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the gaps between requests."""
    facts = {metric: mean_of(rows, metric) for metric in FACTS}
    cdf = over_draws(rows[(rows["metric"] == "gap_cdf") & (rows["at"] > 0)], "at")["mean"]
    axes.plot(cdf.index, cdf, color=LOOKS["simulation"]["color"], drawstyle="steps-post", label="requests")
    times_s = np.geomspace(cdf.index.min(), cdf.index.max(), 400)
    axes.plot(times_s, _exponential_cdf(times_s, facts["mean_gap_s"]), "k--", label="exponential, same mean")
    axes.set(xscale="log", xlabel="inter-arrival time (s)", ylabel="share of the gaps that are shorter", ylim=(0, 1.02))
    axes.legend(loc="upper left")
    note = f"{facts['rate_per_s']:.2f}/s\nstd/mean {facts['gap_cv']:.2f}\nlongest {facts['longest_gap_s']:.0f} s"
    axes.text(0.97, 0.05, note, transform=axes.transAxes, ha="right", va="bottom", fontsize="small")


def _draw_services(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw service times of chains, as means over draws.

    Chains that some draw lacks are left out. A dashed line is the exponential distribution with the mean of the chain.
    """
    means = over_draws(rows[rows["metric"] == "service_time_mean_s"], "at")["mean"]
    cvs = over_draws(rows[rows["metric"] == "service_time_cv"], "at")["mean"].to_dict()
    colours = COLOURS if len(means) <= len(COLOURS) else sns.color_palette("viridis", len(means))
    for colour, (chain, mean_s) in zip(colours, means.items(), strict=False):
        cdf = over_draws(rows[rows["metric"] == f"chain{chain:.0f}_service_cdf"], "at")["mean"]
        label = f"chain {chain:.0f}: mean {mean_s:.2f} s, std/mean {cvs[chain]:.2f}"
        axes.plot(cdf.index, cdf, color=colour, label=label)
        axes.plot(cdf.index, _exponential_cdf(cdf.index.to_numpy(), mean_s), color=colour, linestyle="--", linewidth=1)
    axes.plot([], [], color="0.3", linestyle="--", linewidth=1, label="exponential, same mean")
    axes.set(xscale="log", xlabel="service time (s)", ylabel="share of the jobs that take less", ylim=(0, 1.02))
    axes.legend(loc="lower right", fontsize="x-small")


def _exponential_cdf(times_s: np.ndarray, mean_s: float) -> np.ndarray:
    return -np.expm1(-times_s / mean_s)
