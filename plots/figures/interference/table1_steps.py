"""Table I where requests slow each other: mean response over the rate, and the published table beside simulations.

Panels are service models. Their left part has Poisson arrivals; their right part has the trace at its rates, and the
published means.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.claims.rules import claim_rules
from plots.drawing.curves import MEAN, Curve, axis_words, curves_of, mean_responses
from plots.drawing.panels import Panel, draws_in, panels_over
from plots.drawing.style import Look, curve, in_order, legend_below, new_figure, over_draws, share_logarithmic
from plots.drawing.texts import seconds_of, statistic_name
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means, shown

CONSTANTS, WORKLOAD, DEMAND, RATE = "constants", "workload", "demand", "demand.per_s"
MODEL = ("service", "service.batching")
SHOWN = (CONSTANTS, *MODEL, WORKLOAD, DEMAND, RATE)
MODELS = (("independent", ""), ("steps", "serial"), ("steps", "decode"), ("token_budget", ""))  # drawn in this order
UNSTABLE = "is_unstable"
HOLLOW: Look = {"linestyle": "none", "markerfacecolor": "white", "zorder": 6}
PUBLISHED = "published"
MARK: Look = {"marker": "_", "markersize": 16, "markeredgewidth": 2.5}
STATISTICS = {
    "mean response": "response_mean_s",
    "mean waiting": "waiting_mean_s",
    "mean service": "service_mean_s",
    "P95 response": "response_quantile_s at 0.95",
    "P99 response": "response_quantile_s at 0.99",
}
PANEL_IN, LINE_IN, HEAD_LINES = (3.9, 3.3), 0.22, 3
TABLE_PT, MOST_TICKS = 8, 6
ABOVE_PT = -34  # the label of the x axis stands beside the words of the columns, which are turned
NOTE = (
    "Left: the 1000 requests of the trace, or as many synthetic ones, with Poisson arrivals. Right: the trace at its\n"
    "native rate and scaled to another, and the published means. Means of {draws} draws of the network and of Poisson\n"
    "arrivals, with 95 % intervals. Hollow or †: in some draw requests leave more slowly than they come, so the mean\n"
    "would grow with their number."
)
Key = tuple[Any, ...]


class Column(NamedTuple):
    """A column of the right part: the setting of its points in words, and its x."""

    words: str
    x: float


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a line of panels for each set of constants, and a table below."""
    results = Results(*map(_with_all_axes, results))
    rows, curves = curves_of(mean_responses(results.rows), labels, SHOWN, "algorithm")
    panels = _panels(Results(rows, results.points))
    columns = len({_model(panel) for panel in panels})
    lines = -(-len(panels) // columns)
    numbers = published_and_simulated(results, labels)
    height_in = LINE_IN * (len(numbers) + HEAD_LINES)
    size_in = (PANEL_IN[0] * columns, PANEL_IN[1] * lines + height_in + 1)
    heights = [PANEL_IN[1]] * lines + [height_in]
    figure, frames = new_figure(columns, lines + 1, heights, size_in)
    unstable = results.rows[(results.rows["metric"] == UNSTABLE) & (results.rows["value"] > 0)]
    for constants in dict.fromkeys(panel.setting[CONSTANTS] for panel in panels):
        alike = [panel.setting[CONSTANTS] == constants for panel in panels]
        share_logarithmic([axes for axes, chosen in zip(frames, alike, strict=False) if chosen])
    for axes, panel in zip(frames, panels, strict=False):
        _draw_panel(axes, panel, curves, set(unstable["point"]), labels)
    for axes in frames[len(panels) :]:
        axes.remove()
    title = f"Table I and the trace, {labels(CONSTANTS, _first_constants(results.rows))}"
    last_line = frames[0].get_gridspec()[lines, :]  # type: ignore[index]
    _write_table(figure.add_subplot(last_line), numbers, title)
    legend_below(figure, frames[: len(panels)], 5, NOTE.format(draws=draws_in(results.points)))
    return figure


def _with_all_axes(listed: pd.DataFrame) -> pd.DataFrame:
    """Return rows or points with all axes; nan where a sweep has none."""
    return listed.assign(**{axis: float("nan") for axis in (RATE, *MODEL) if axis not in listed})


def _panels(results: Results) -> list[Panel]:
    """Return a panel for each set of constants and service model.

    Service models in `MODELS` come first, in that order.
    """
    panels = panels_over(results, [CONSTANTS, *MODEL])
    models = in_order(map(_model, panels), MODELS)
    sets = list(dict.fromkeys(panel.setting[CONSTANTS] for panel in panels))
    return sorted(panels, key=lambda panel: (sets.index(panel.setting[CONSTANTS]), models.index(_model(panel))))


def _model(panel: Panel) -> Key:
    """Return the service model of a panel as text."""
    return _key(panel.setting.get(axis) for axis in MODEL)


def _is_curve(rows: pd.DataFrame) -> pd.Series:
    """Return whether rows are of a workload with several given rates."""
    return rows.groupby(WORKLOAD)[RATE].transform("nunique") > 1


def _draw_panel(axes: Axes, panel: Panel, curves: Sequence[Curve], unstable: set[str], labels: Labels) -> None:
    """Draw the curves, the trace and the published means of a panel."""
    rows = panel.rows.assign(is_curve=_is_curve(panel.rows))
    rates = rows.loc[rows["is_curve"], RATE]
    columns = _columns(rows[~rows["is_curve"]], labels, rates)
    rows = _with_x(rows, columns, labels)
    for line in curves:
        own = rows[rows["curve"] == line.label]
        for is_curve, part in own.groupby("is_curve"):
            look = line.look if is_curve else line.look | {"linestyle": "none"}
            curve(axes, look, over_draws(part, "x"), line.label if is_curve or not own["is_curve"].any() else "_")
        hollow = over_draws(own[own["point"].isin(unstable)], "x")
        axes.plot(hollow.index, hollow["mean"], **line.look | HOLLOW)
        mean_s = claim_rules().table1[MEAN].get(line.subject)
        if mean_s is not None:
            axes.plot([columns[-1].x], [mean_s], **MARK, color=line.look["color"])
    _set_axes(axes, rates, columns)
    axes.set_title(panel.title(labels).replace(", ", "\n", 1), fontsize="medium")


def _columns(rows: pd.DataFrame, labels: Labels, rates: pd.Series) -> list[Column]:
    """Return the columns right of the rates.

    There is one for each rate of the trace, then that of the published means.
    """
    words = [_rate_words(demand, rate, labels) for demand, rate in rows[[DEMAND, RATE]].drop_duplicates().to_numpy()]
    first, step = (rates.max(), (rates.max() - rates.min()) / 8) if len(rates) else (0.0, 1.0)
    return [Column(text, first + step * number) for number, text in enumerate([*words, PUBLISHED], 1)]


def _rate_words(demand: str, rate_per_s: float, labels: Labels) -> str:
    return str(labels(DEMAND, demand)) if pd.isna(rate_per_s) else f"{rate_per_s:g}/s"


def _with_x(rows: pd.DataFrame, columns: Sequence[Column], labels: Labels) -> pd.DataFrame:
    """Return the rows with their x: the rate, or that of their column."""
    x_of = dict(columns)
    words = [_rate_words(demand, rate, labels) for demand, rate in rows[[DEMAND, RATE]].to_numpy()]
    in_column = pd.Series([x_of.get(text) for text in words], rows.index, dtype=float)
    return rows.assign(x=rows[RATE].where(rows["is_curve"], in_column))


def _set_axes(axes: Axes, rates: pd.Series, columns: Sequence[Column]) -> None:
    """Set scales, ticks and labels of a panel."""
    distinct = sorted(rates.unique())
    ticks = distinct[:: 1 + (len(distinct) > MOST_TICKS)]
    axes.set_xticks([*ticks, *(column.x for column in columns)], [*map(shown, ticks), *(c.words for c in columns)])
    for text in axes.get_xticklabels()[len(ticks) :]:
        text.set(rotation=90, fontsize="small")
    if ticks:
        axes.axvline((columns[0].x + rates.max()) / 2, color="0.6", linewidth=0.8)
    axes.set_xlabel("requests/s", loc="left", labelpad=ABOVE_PT)
    axes.set_ylabel("mean response time (s)")


def published_and_simulated(results: Results, labels: Labels) -> pd.DataFrame:
    """Return the published table beside the simulated ones of the trace.

    These are of the first set of constants.
    """
    rows = _with_all_axes(results.rows)
    rows = rows[rows[CONSTANTS] == _first_constants(rows)]
    replayed = rows[~_is_curve(rows)]
    texts = _texts(replayed, labels)
    heads = list(dict.fromkeys(head for _, head, _ in texts))
    published = claim_rules().table1
    lines = []
    for scheme, (words, metric) in product(replayed["algorithm"].unique(), STATISTICS.items()):
        of_paper = published[metric].get(scheme)
        line = {"scheme": labels("algorithm", scheme), "time (s)": words}
        line[PUBLISHED] = "–" if of_paper is None else f"{of_paper:.1f}"
        lines.append(line | {head: texts.get((scheme, head, metric), "–") for head in heads})
    return pd.DataFrame(lines)


def _first_constants(rows: pd.DataFrame) -> str:
    return str(rows[CONSTANTS].iloc[0])


def _texts(rows: pd.DataFrame, labels: Labels) -> dict[tuple[str, str, str], str]:
    """Return means with their half-widths as text.

    The keys are scheme, head of the column, and metric.
    """
    point = ["algorithm", DEMAND, RATE, *MODEL]
    means = complete_means(rows, [*point, "metric", "at"])
    models = [_key(values) for values in means[list(MODEL)].to_numpy()]
    order = in_order(models, MODELS)
    means = means.assign(order=[order.index(model) for model in models])
    means = means.sort_values([RATE, "order"], na_position="first", kind="stable")
    unstable = means[(means["metric"] == UNSTABLE) & (means["mean"] > 0)]
    marked = {_key(values) for values in unstable[point].to_numpy()}
    return {
        (line["algorithm"], _head(line, labels), statistic_name(line["metric"], line["at"])): seconds_of(
            line["mean"], line["half_width"]
        )
        + "†" * (_key(line[axis] for axis in point) in marked)
        for line in means.to_dict("records")
    }


def _key(values: Iterable[Any]) -> Key:
    """Return values as text; no value becomes empty text."""
    return tuple("" if pd.isna(value) else str(value) for value in values)


def _head(line: Mapping[Any, Any], labels: Labels) -> str:
    """Return the head of a column: the rate and the service model in words."""
    model = ", ".join(filter(None, (axis_words(axis, line[axis], labels) for axis in MODEL)))
    return f"{_rate_words(line[DEMAND], line[RATE], labels)}, {model}"


def _write_table(axes: Axes, numbers: pd.DataFrame, title: str) -> None:
    """Write a table of texts, with a rule below each scheme."""
    axes.set_axis_off()
    axes.set_title(title, fontsize="medium")
    is_first = numbers["scheme"].ne(numbers["scheme"].shift())
    cells = numbers.assign(scheme=numbers["scheme"].where(is_first, "")).to_numpy().tolist()
    heads = [str(head).replace(", ", ",\n") for head in numbers]
    height = 1 / (len(cells) + HEAD_LINES)
    written = axes.table(cells, colLabels=heads, loc="upper center", cellLoc="center")
    written.auto_set_font_size(False)
    written.set_fontsize(TABLE_PT)
    written.auto_set_column_width(range(len(heads)))
    ends = {0, len(cells), *(number for number, first in enumerate(is_first) if first)}
    for (line, _), cell in written.get_celld().items():
        cell.set_height(height * (HEAD_LINES if line == 0 else 1))
        cell.visible_edges = "B" if line in ends else ""
