"""Fig. 7a: inter-arrival times of a workload against exponential ones of the same mean."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from plots.style import LOOKS, new_figure


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """The requests are the same whatever the draw."""
    figure, (axes,) = new_figure()
    facts = rows.set_index("metric")["value"]
    cdf = rows[(rows["metric"] == "gap_cdf") & (rows["at"] > 0)]
    axes.plot(cdf["at"], cdf["value"], color=LOOKS["simulation"]["color"], drawstyle="steps-post", label="requests")
    times_s = np.geomspace(cdf["at"].min(), cdf["at"].max(), 400)
    axes.plot(times_s, -np.expm1(-times_s / facts["mean_gap_s"]), "k--", label="exponential, same mean")
    axes.set(xscale="log", xlabel="inter-arrival time (s)", ylabel="share of the gaps that are shorter", ylim=(0, 1.02))
    axes.legend(loc="upper left")
    note = f"{facts['rate_per_s']:.2f}/s\nstd/mean {facts['gap_cv']:.2f}\nlongest {facts['longest_gap_s']:.0f} s"
    axes.text(0.97, 0.05, note, transform=axes.transAxes, ha="right", va="bottom", fontsize="small")
    return figure
