"""Schemes of the field on Helix's clusters: mean response times over the rate, and tokens per second below.

The hollow bars are the largest flow of output tokens through a placement, which Helix maximises. The full bars are the
output tokens of a simulation in which requests always wait, under the scheme's own rule. The card says who wins where,
by how much, and what planning took.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.curves import MEAN, Curve, curves_of, draw_curves
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.style import legend_below, logarithmic, logarithmic_at, mean_of, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import shown
from store.tables.text import aligned

RATE = "demand.per_s"
PANELS = ("model", "cluster", "cluster.hosting")
SHOWN = (*PANELS, RATE, "workload.job_count")  # a saturated simulation has more jobs than one at a rate
FLOW, SATURATED = "flow_output_tokens_per_s", "saturation_output_tokens_per_s"
PLANNING = "cpu_s"
METRICS = (MEAN, FLOW, SATURATED, PLANNING)
PANEL_IN = 4.6, 3.0
ACROSS = 3  # panels beside each other
COLUMNS = 4  # of the legend
NOTE = (
    "means of {draws} draws of requests with 95 % intervals; a curve ends where the scheme is unstable;\n"
    "bars: hollow is the largest flow, full is where requests always wait; –: no layout, or not compared"
)
INTRODUCTION = (
    "Mean response times by the rate, output tokens per second by the largest flow and by a simulation in which\n"
    "requests always wait, and the CPU time of planning. A star marks the best of a column, and the last line says by\n"
    "how much it is better than the next. Means of {draws} draws of requests."
)
MISSING = "–"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw response times above tokens per second for each model and cluster."""
    panels, curves = _panels(results, labels)
    columns = min(ACROSS, len(panels))
    lines = 2 * -(-len(panels) // columns)
    figure, frames = new_figure(columns, lines, size_in=(PANEL_IN[0] * columns, PANEL_IN[1] * lines + 1))
    for number in range(lines // 2 * columns):
        line, column = divmod(number, columns)
        above, below = (frames[(2 * line + part) * columns + column] for part in (0, 1))
        if number < len(panels):
            _draw_responses(above, panels[number], curves, "\n".join(panels[number].title(labels).split(", ", 1)))
            _draw_tokens(below, panels[number], curves, names=column == 0)
        else:
            above.remove()
            below.remove()
    kept = [axes for axes in frames if axes.figure is not None]
    legend_below(figure, kept, COLUMNS, NOTE.format(draws=draws_in(results.points)))
    return figure


def card(results: Results, labels: Labels) -> str:
    """Return a page of Markdown that says who wins where."""
    panels, curves = _panels(results, labels)
    lines = ["# Schemes of the field", "", INTRODUCTION.format(draws=draws_in(results.points)), ""]
    for panel in panels:
        lines += [f"## {panel.title(labels)}", "", "```", *_table(panel, curves), "```", ""]
    return "\n".join(lines)


def _panels(results: Results, labels: Labels) -> tuple[list[Panel], list[Curve]]:
    """Return the panels, and the curves of the schemes."""
    rows = results.rows[results.rows["metric"].isin(METRICS) & results.rows["at"].isna()]
    by_scheme, curves = curves_of(rows.drop(columns="evaluator"), labels, SHOWN, "algorithm", one_metric=True)
    return panels_over(Results(by_scheme, results.points), PANELS), curves


def _draw_responses(axes: Axes, panel: Panel, curves: Sequence[Curve], title: str) -> None:
    """Draw mean response times over the rate."""
    rows = panel.rows[panel.rows["metric"] == MEAN]
    draw_curves(axes, rows, [line for line in curves if line.label in set(rows["curve"])], RATE)
    logarithmic(axes)
    logarithmic_at(axes, rows[RATE])
    axes.set(xlabel="rate (requests/s)", ylabel="mean response time (s)", title=title)


def _draw_tokens(axes: Axes, panel: Panel, curves: Sequence[Curve], names: bool) -> None:
    """Draw two bars for each scheme; `names` writes the schemes beside them."""
    for number, line in enumerate(curves):
        rows = panel.rows[panel.rows["curve"] == line.label]
        flow, saturated = (mean_of(rows, metric) for metric in (FLOW, SATURATED))
        colour = line.look["color"]
        axes.barh(number - 0.2, flow, 0.36, facecolor="none", edgecolor=colour)
        axes.barh(number + 0.2, saturated, 0.36, facecolor=colour, edgecolor=colour)
        if pd.isna(flow) and pd.isna(saturated):
            axes.text(0, number, f" {MISSING}", va="center", fontsize="x-small", color=colour)
    axes.set_yticks(range(len(curves)), [line.label for line in curves] if names else [""] * len(curves))
    axes.invert_yaxis()
    axes.set(xlabel="output (tokens/s)", ylabel="scheme")


def _table(panel: Panel, curves: Sequence[Curve]) -> list[str]:
    """Return a line for each scheme and one for the winners' leads."""
    rates = sorted(panel.rows.loc[panel.rows["metric"] == MEAN, RATE].unique())
    values = {line.label: _quantities(panel.rows[panel.rows["curve"] == line.label], rates) for line in curves}
    table = pd.DataFrame(values).T
    written = table.apply(lambda column: column.map(_number)).astype(object)
    lead = {}
    for name, column in table.items():
        ranked = column.dropna().sort_values(ascending="tokens" not in str(name))
        if ranked.size:
            written.loc[ranked.index[0], name] += "*"
        if ranked.size > 1:
            best, following = float(ranked.iloc[0]), float(ranked.iloc[1])
            lead[name] = f"{100 * (max(best, following) / min(best, following) - 1):.0f} %"
    written.loc["lead of the best over the next"] = pd.Series(lead)
    return aligned(written.fillna(MISSING).rename_axis("scheme").reset_index())


def _quantities(rows: pd.DataFrame, rates: Sequence[float]) -> Mapping[str, float]:
    """Return the quantities of one scheme in one panel, nan where it has none."""
    responses = {f"s at {shown(rate)}/s": mean_of(rows[rows[RATE] == rate], MEAN) for rate in rates}
    tokens = {"flow tokens/s": mean_of(rows, FLOW), "saturated tokens/s": mean_of(rows, SATURATED)}
    return responses | tokens | {"planning s": mean_of(rows, PLANNING)}


def _number(value: float) -> str:
    """Return a number with three digits; a dash if there is none."""
    return MISSING if pd.isna(value) else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
