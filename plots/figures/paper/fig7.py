"""Fig. 7: inter-arrival times of a workload and service times on the fastest chains, against exponential ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.style import COLOURS, LOOKS, by_constants, new_figure, over_draws
from store.tables.labels import Labels


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw gaps once, and service times for each constants set."""
    services = rows[rows["evaluator"] == "service_times"]
    figure, (first, *others) = new_figure(1 + services["constants"].nunique())
    _draw_gaps(first, rows[rows["evaluator"] == "gaps"])
    for axes, shown, title in by_constants(others, services, labels):
        _draw_services(axes, shown, draws)
        axes.set(title=f"service times, {title}")
    return figure


def _draw_gaps(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the gaps between requests.

    They are the same in every draw.
    """
    facts = rows.set_index("metric")["value"]
    cdf = rows[(rows["metric"] == "gap_cdf") & (rows["at"] > 0)]
    axes.plot(cdf["at"], cdf["value"], color=LOOKS["simulation"]["color"], drawstyle="steps-post", label="requests")
    times_s = np.geomspace(cdf["at"].min(), cdf["at"].max(), 400)
    axes.plot(times_s, _exponential_cdf(times_s, facts["mean_gap_s"]), "k--", label="exponential, same mean")
    axes.set(xscale="log", xlabel="inter-arrival time (s)", ylabel="share of the gaps that are shorter", ylim=(0, 1.02))
    axes.set(title="inter-arrival times")
    axes.legend(loc="upper left")
    note = f"{facts['rate_per_s']:.2f}/s\nstd/mean {facts['gap_cv']:.2f}\nlongest {facts['longest_gap_s']:.0f} s"
    axes.text(0.97, 0.05, note, transform=axes.transAxes, ha="right", va="bottom", fontsize="small")


def _draw_services(axes: Axes, rows: pd.DataFrame, draws: int) -> None:
    """Draw service times of chains, as means over draws.

    Chains that some draw lacks are left out. A dashed line is the exponential distribution with the mean of the chain.
    """
    means = over_draws(rows[rows["metric"] == "service_time_mean_s"], "at")["mean"]
    cvs = over_draws(rows[rows["metric"] == "service_time_cv"], "at")["mean"]
    for colour, chain, mean_s, cv in zip(COLOURS, means.index, means, cvs, strict=False):
        cdf = over_draws(rows[rows["metric"] == f"chain{chain:.0f}_service_cdf"], "at")["mean"]
        label = f"chain {chain:.0f}: mean {mean_s:.2f} s, std/mean {cv:.2f}"
        axes.plot(cdf.index, cdf, color=colour, label=label)
        axes.plot(cdf.index, _exponential_cdf(cdf.index.to_numpy(), mean_s), color=colour, linestyle="--", linewidth=1)
    axes.plot([], [], color="0.3", linestyle="--", linewidth=1, label="exponential, same mean")
    axes.set(xscale="log", xlabel="service time (s)", ylabel="share of the jobs that take less", ylim=(0, 1.02))
    axes.legend(loc="lower right", fontsize="x-small")


def _exponential_cdf(times_s: np.ndarray, mean_s: float) -> np.ndarray:
    return -np.expm1(-times_s / mean_s)
