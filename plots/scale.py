"""Scale: what composing and evaluating cost over the number of servers in CPU time and peak memory, how these grow, and
where a minute is reached. The seconds are measurements of a machine and differ from run to run.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import linregress

from plots.style import COLOURS, look_of, new_figure, scheme_name

POINT = ["evaluator.stage", "algorithm", "tuning", "cluster.server_count", "demand.load"]
PRACTICAL_S = 60.0
LARGEST_DRAWN = 1e7  # servers
LEAST_MB = 0.1  # Linux counts pages no finer
FEWEST_FITTED = 3
EXTRAPOLATED: dict[str, Any] = {"linestyle": ":", "linewidth": 1, "zorder": 1}
REACHED: dict[str, Any] = {"linestyle": "none", "marker": "o", "fillstyle": "none"}
NOTE = (
    "Exponents ± standard error are fitted over the upper half of the points. As the curves bend upwards, circles "
    "beyond the points\nrather lie too far right. Simulations: time per million jobs, memory of those that were run\n"
    "({jobs})."
)


class Line(NamedTuple):
    """The costs of one stage of one scheme and the look of their curve."""

    stage: str
    algorithm: str
    tuning: str
    name: str
    look: dict[str, Any]


COMPOSING = (
    Line("compose", "proposed", "fixed", "GBP-CR and GCA, c fixed", look_of("proposed")),
    Line("compose", "proposed_tuned", "fixed", "c of 1 to 60 by Theorem 4", look_of("lower bound")),
    Line("compose", "proposed", "exact_mean", "every c by the exact mean", {"color": "black", "marker": "P"}),
    Line("compose", "petals", "fixed", "PETALS", look_of("petals")),
    Line("compose", "bprr", "fixed", "BPRR", look_of("bprr")),
)
EVALUATING = (
    Line("theorem4", "proposed", "fixed", "Theorem 4", look_of("lower bound")),
    Line("exact", "proposed", "fixed", "exact mean", {"color": "black", "marker": "P"}),
    Line("simulate", "proposed", "fixed", "simulation, JFFC", {**look_of("simulation"), "linestyle": "-"}),
    Line("simulate", "petals", "fixed", "simulation, PETALS", look_of("petals")),
    Line("simulate", "bprr", "fixed", "simulation, BPRR", look_of("bprr")),
    Line("markov", "proposed", "fixed", "sparse Markov solve", {"color": COLOURS[4], "marker": "x"}),
)
NO_POWER = {"markov": "exponential, at most 200,000 states"}


class Growth(NamedTuple):
    """value ~ J^exponent."""

    exponent: float
    standard_error: float


def growth(servers: NDArray[np.float64], values: NDArray[np.float64]) -> Growth | None:
    """Least squares over the logarithms of the upper half of the points (J ascending), at least three of them.

    None where there are fewer.
    """
    if servers.size < FEWEST_FITTED:
        return None
    upper = slice(-max(FEWEST_FITTED, (servers.size + 1) // 2), None)
    fitted = linregress(np.log(servers[upper]), np.log(values[upper]))
    return Growth(float(fitted.slope), float(fitted.stderr))


def servers_at(seconds: float, servers: NDArray[np.float64], measured_s: NDArray[np.float64], grown: Growth) -> float:
    """The J at which ascending times reach so many seconds: between two points, or beyond the last by the fit.

    Infinite where the fit does not grow.
    """
    if seconds <= measured_s[-1]:
        return float(np.exp(np.interp(np.log(seconds), np.log(measured_s), np.log(servers))))
    if grown.exponent <= 0:
        return np.inf
    decades = np.log10(seconds / measured_s[-1]) / grown.exponent
    return float(servers[-1] * 10.0 ** min(decades, 100.0))  # a fit that hardly grows says no more than "very many"


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """Seconds above, memory below; composing on the left, evaluating on the right. A cost is of one draw."""
    costs = _costs(rows)
    figure, panels = new_figure(2, lines=2)
    figure.set_size_inches(11, 8.5)
    columns = ((COMPOSING, "composing"), (EVALUATING, "evaluating a composition"))
    for above, below, (lines, title) in zip(panels[:2], panels[2:], columns, strict=True):
        for line in lines:
            _draw_line(above, below, line, costs)
        above.axhline(PRACTICAL_S, color="0.3", linewidth=1, zorder=0)
        above.text(10, PRACTICAL_S, "a minute", va="bottom", fontsize="small", color="0.3")
        above.set(title=title, ylabel="CPU time (s)")
        below.set(ylabel="peak memory (MB)")
        below.legend(*above.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="servers J", xlim=(8, LARGEST_DRAWN))
    for axes in panels[2:]:
        axes.set_ylim(bottom=LEAST_MB)
    _explain(figure, NOTE.format(jobs=_job_counts(costs)))
    return figure


def _costs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a point in ascending J: its metrics, with `seconds` per million jobs where jobs are simulated."""
    costs = rows.pivot_table(index=POINT, columns="metric", values="value").reset_index()
    costs["servers"] = pd.to_numeric(costs["cluster.server_count"])
    costs["seconds"] = costs["cpu_s"] / costs["job_count"].fillna(1e6) * 1e6
    return costs.sort_values("servers")


def _draw_line(above: Axes, below: Axes, line: Line, costs: pd.DataFrame) -> None:
    """The measured points of a line, joined, and where its time reaches a minute."""
    mine = costs[costs[POINT[:3]].eq(list(line[:3])).all(axis=1)]
    servers, seconds = mine["servers"].to_numpy(float), mine["seconds"].to_numpy(float)
    grown = None if line.stage in NO_POWER else growth(servers, seconds)
    limit = servers_at(PRACTICAL_S, servers, seconds, grown) if grown else np.nan
    above.plot(servers, seconds, label=_label(line, grown, limit, limit > servers.max(initial=0.0)), **line.look)
    if limit <= LARGEST_DRAWN:
        above.plot([limit], [PRACTICAL_S], color=line.look["color"], **REACHED)
    if grown and limit > servers[-1]:
        ends = np.array([servers[-1], LARGEST_DRAWN if np.isinf(limit) else limit])
        extended_s = seconds[-1] * (ends / ends[0]) ** grown.exponent
        above.plot(ends, extended_s, color=line.look["color"], **EXTRAPOLATED)
    if "peak_memory_gb" in mine:
        below.plot(servers, 1e3 * mine["peak_memory_gb"], **line.look)


def _label(line: Line, grown: Growth | None, limit: float, extrapolated: bool) -> str:
    """The name, how it grows, where it stops being practical, and whether that was measured."""
    if not grown:
        return f"{line.name}: {NO_POWER[line.stage]}" if line.stage in NO_POWER else line.name
    growing = f"$J^{{{grown.exponent:.2f} \\pm {grown.standard_error:.2f}}}$"
    where = f"at J ≈ {_rounded(limit)}" if limit <= LARGEST_DRAWN else f"beyond J = {_rounded(LARGEST_DRAWN)}"
    return f"{line.name}: {growing}, a minute {where}{' (extrapolated)' if extrapolated else ''}"


def _rounded(servers: float) -> str:
    """To one digit, as an extrapolation has no more."""
    digit, power = f"{servers:.0e}".split("e")
    return f"{float(f'{servers:.0e}'):.0f}" if int(power) < 3 else f"${digit} \\cdot 10^{{{int(power)}}}$"


def _explain(figure: Figure, note: str) -> None:
    """The signs that all lines share, under a note on what the figure is."""
    signs = [Line2D([], [], color="0.3", **look) for look in (EXTRAPOLATED, REACHED)]
    names = ["extrapolated with that exponent", "a minute"]
    figure.legend(signs, names, title=note, title_fontsize="small", loc="outside lower center", ncols=2)


def _job_counts(costs: pd.DataFrame) -> str:
    """How many jobs of each scheme were simulated, and at which load."""
    counts = costs.dropna(subset="job_count").groupby("algorithm", sort=False)[["job_count", "demand.load"]].first()
    return "; ".join(f"{scheme_name(str(row.Index))}: {row[1]:,.0f} at load {row[2]}" for row in counts.itertuples())
