"""Scale: CPU time and peak memory of composing and evaluating, over the number of servers.

The figure also shows how they grow and where they reach a minute. The seconds are measured on a machine and differ from
run to run.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import linregress

from plots.drawing.curves import axis_words, distinguishing_axes, texts
from plots.drawing.style import COLOURS, LOOKS, Look, looks_of, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means

SUBJECT = ["evaluator.stage", "algorithm", "tuning"]
SERVERS, LOAD = "cluster.server_count", "demand.load"
PRACTICAL_S = 60.0
LARGEST_DRAWN = 1e7  # servers
LEAST_MB = 0.1  # Linux counts memory no more finely
FEWEST_FITTED = 3
EXTRAPOLATED: dict[str, Any] = {"linestyle": ":", "linewidth": 1, "zorder": 1}
REACHED: dict[str, Any] = {"linestyle": "none", "marker": "o", "fillstyle": "none"}
NOTE = (
    "Exponents ± standard error are fitted over the upper half of the points. As the curves bend upwards, circles "
    "beyond the points\nrather lie too far right. Simulations: time per million jobs, memory of those that were run\n"
    "({jobs})."
)


# The look of lines by stage, scheme and tuning. Other lines get looks of their own.
KNOWN: dict[tuple[str, ...], Look] = {
    ("compose", "proposed", "fixed"): LOOKS["proposed"],
    ("compose", "proposed_tuned", "fixed"): LOOKS["response_lower_s"],
    ("compose", "proposed", "exact_mean"): {"color": "black", "marker": "P"},
    ("compose", "petals", "fixed"): LOOKS["petals"],
    ("compose", "bprr", "fixed"): LOOKS["bprr"],
    ("theorem4", "proposed", "fixed"): LOOKS["response_lower_s"],
    ("exact", "proposed", "fixed"): {"color": "black", "marker": "P"},
    ("simulate", "proposed", "fixed"): {**LOOKS["simulation"], "linestyle": "-"},
    ("simulate", "petals", "fixed"): LOOKS["petals"],
    ("simulate", "bprr", "fixed"): LOOKS["bprr"],
    ("markov", "proposed", "fixed"): {"color": COLOURS[4], "marker": "x"},
}
COMPOSE = "compose"
STAGES = {"theorem4": "Theorem 4", "exact": "exact mean", "simulate": "simulation", "markov": "sparse Markov solve"}
NO_POWER = {"markov": "exponential, at most 200,000 states"}


class Line(NamedTuple):
    """The curve with the costs of one stage of one scheme: its key, name and look."""

    key: tuple[str, ...]  # stage, scheme, tuning, and further axes in which rows differ
    name: str
    look: Look

    @property
    def stage(self) -> str:
        """Return the stage whose costs these are."""
        return self.key[0]


class Growth(NamedTuple):
    """The exponent of a power law, value ~ J^exponent, and its standard error."""

    exponent: float
    standard_error: float


def growth(servers: NDArray[np.float64], values: NDArray[np.float64]) -> Growth | None:
    """Fit a power law to the upper half of points.

    The fit is by least squares on logarithms. `servers` (J) are ascending, and at least three points are fitted; the
    result is None if there are fewer.
    """
    if servers.size < FEWEST_FITTED:
        return None
    upper = slice(-max(FEWEST_FITTED, (servers.size + 1) // 2), None)
    fitted = linregress(np.log(servers[upper]), np.log(values[upper]))
    return Growth(float(fitted.slope), float(fitted.stderr))


def servers_at(seconds: float, servers: NDArray[np.float64], measured_s: NDArray[np.float64], grown: Growth) -> float:
    """Return the J at which times reach so many seconds.

    The times are ascending. J is interpolated between two points, or extrapolated beyond the last point by the fit. It
    is infinite if the fit does not grow.
    """
    if seconds <= measured_s[-1]:
        return float(np.exp(np.interp(np.log(seconds), np.log(measured_s), np.log(servers))))
    if grown.exponent <= 0:
        return np.inf
    decades = np.log10(seconds / measured_s[-1]) / grown.exponent
    return float(servers[-1] * 10.0 ** min(decades, 100.0))  # more decades would only say "very many"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw seconds above and memory below.

    Composing is on the left, evaluating on the right.
    """
    key = [*SUBJECT, *distinguishing_axes(results.rows, [*SUBJECT, SERVERS])]
    costs = _costs(results.rows, key)
    figure, panels = new_figure(2, lines=2, size_in=(11, 8.5))
    composing = costs["evaluator.stage"] == COMPOSE
    columns = ((costs[composing], "composing"), (costs[~composing], "evaluating a composition"))
    for above, below, (shown, title) in zip(panels[:2], panels[2:], columns, strict=True):
        for line in _lines(shown, key, labels):
            _draw_line(above, below, line, shown[shown[key].eq(list(line.key)).all(axis=1)])
        above.axhline(PRACTICAL_S, color="0.3", linewidth=1, zorder=0)
        above.text(10, PRACTICAL_S, "a minute", va="bottom", fontsize="small", color="0.3")
        above.set(title=title, ylabel="CPU time (s)")
        below.set(ylabel="peak memory (MB)")
        below.legend(*above.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="servers J", xlim=(8, LARGEST_DRAWN))
    for axes in panels[2:]:
        axes.set_ylim(bottom=LEAST_MB)
    _explain(figure, NOTE.format(jobs=_job_counts(costs, labels)))
    return figure


def _costs(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the metrics of points as rows, with J ascending.

    The column `seconds` is the CPU time, for simulations per million jobs.
    """
    named = rows.assign(**{axis: texts(rows[axis]) for axis in key})
    index = list(dict.fromkeys([*key, SERVERS, LOAD]))
    means = complete_means(named[named["at"].isna()], [*index, "metric"])
    by_metric = means.pivot_table(index=index, columns="metric", values="mean").reset_index()
    costs = named[index].drop_duplicates().merge(by_metric, on=index)  # in the order of the rows
    costs["servers"] = costs[SERVERS]
    costs["seconds"] = costs["cpu_s"] / costs["job_count"].fillna(1e6) * 1e6
    return costs.sort_values("servers", kind="stable")


def _lines(costs: pd.DataFrame, key: list[str], labels: Labels) -> list[Line]:
    """Return a panel's lines, those with known looks first."""
    ranks = {known: rank for rank, known in enumerate(KNOWN)}
    lines = dict.fromkeys(map(tuple, costs.sort_index()[key].to_numpy()))
    wanted = {line: line[: len(SUBJECT)] for line in sorted(lines, key=lambda line: ranks.get(line[:3], len(ranks)))}
    looks = looks_of(wanted, KNOWN)
    return [Line(line, _name(dict(zip(key, line, strict=True)), costs, labels), looks[line]) for line in wanted]


def _name(line: dict[str, str], costs: pd.DataFrame, labels: Labels) -> str:
    """Return a line's name: its stage, scheme and settings.

    Only what differs between the lines of the stage is named, and the stage of composing is not named.
    """
    stage = line["evaluator.stage"]
    same_stage = costs[costs["evaluator.stage"] == stage]
    same_scheme = same_stage[same_stage["algorithm"] == line["algorithm"]]
    scheme = ["algorithm"] if stage == COMPOSE or len(same_stage["algorithm"].unique()) > 1 else []
    differing = [axis for axis in line if len(same_scheme[axis].unique()) > 1]
    words = [axis_words(axis, line[axis], labels) for axis in [*scheme, *differing]]
    return ", ".join([*([] if stage == COMPOSE else [STAGES.get(stage, stage)]), *words])


def _draw_line(above: Axes, below: Axes, line: Line, mine: pd.DataFrame) -> None:
    """Draw a line, and where its time reaches a minute.

    The line joins the measured points.
    """
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
    """Return the label of a line, with its growth.

    The label has the name, the exponent and the number of servers at which a minute is reached. The label also says
    whether that number of servers is extrapolated.
    """
    if not grown:
        return f"{line.name}: {NO_POWER[line.stage]}" if line.stage in NO_POWER else line.name
    growing = f"$J^{{{grown.exponent:.2f} \\pm {grown.standard_error:.2f}}}$"
    where = f"at J ≈ {_rounded(limit)}" if limit <= LARGEST_DRAWN else f"beyond J = {_rounded(LARGEST_DRAWN)}"
    return f"{line.name}: {growing}, a minute {where}{' (extrapolated)' if extrapolated else ''}"


def _rounded(servers: float) -> str:
    """Return a number of servers with one digit.

    An extrapolation is no more precise than that.
    """
    digit, power = f"{servers:.0e}".split("e")
    return f"{float(f'{servers:.0e}'):.0f}" if int(power) < 3 else f"${digit} \\cdot 10^{{{int(power)}}}$"


def _explain(figure: Figure, note: str) -> None:
    """Draw a legend of shared marks, with a note above."""
    marks = [Line2D([], [], color="0.3", **look) for look in (EXTRAPOLATED, REACHED)]
    names = ["extrapolated with that exponent", "a minute"]
    figure.legend(marks, names, title=note, title_fontsize="small", loc="outside lower center", ncols=2)


def _job_counts(costs: pd.DataFrame, labels: Labels) -> str:
    """Return the jobs and loads of simulated schemes in words."""
    counts = costs.dropna(subset="job_count").groupby("algorithm", sort=False)[["job_count", LOAD]].first()
    return "; ".join(f"{labels('algorithm', row.Index)}: {row[1]:,.0f} at load {row[2]}" for row in counts.itertuples())
