"""Table I: the authors' measurements on nine GPU slices, beside simulations under both sets of constants."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.claims.rules import claim_rules
from plots.drawing.curves import curves_of
from plots.drawing.panels import draws_in
from plots.drawing.style import new_figure
from plots.drawing.texts import seconds_of, statistic_name
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means

TIMES = ("response", "waiting", "service")
STATISTICS = {"mean": "mean_s", "median": "quantile_s at 0.5", "P95": "quantile_s at 0.95", "P99": "quantile_s at 0.99"}
METRICS = tuple(f"{time}_{kind}" for time in TIMES for kind in ("mean_s", "quantile_s"))
UNSTABLE = "is_unstable"
SOURCES = {"published": "published", "paper": "simulated,\npaper", "simulator": "simulated,\nsimulator"}
WIDTH_IN, AROUND_IN, LINE_IN = 12.5, 1.6, 0.28
LEFT = 0.2  # share of the width for the names of the rows
NOTE = (
    "Published: measured by the authors; a dash where the number is not at hand. Simulated: mean ± 95 % half-width "
    "over {draws} draws\nof the network, under the constants of the paper or of the simulator; the trace's first "
    "1000 requests or as many\nsynthetic ones, lengths as recorded. † unstable in some draw: times would grow with the "
    "trace. PETALS keeps a pool\nof 4096 cached tokens a block, so a server holds two sessions of 2048 tokens, "
    "whatever its memory."
)
Texts = dict[tuple[str, str, str], str]  # by name of the scheme, source and metric


class Column(NamedTuple):
    """A column of numbers: its statistic, the source of the numbers, and the x of its middle."""

    statistic: str
    source: str
    x: float


def draw(results: Results, labels: Labels) -> Figure:
    """Draw the table as a picture."""
    schemes, texts = _schemes_and_texts(results.rows, labels)
    lines = list(product(schemes, TIMES))
    sources = _sources(texts)
    width_in = WIDTH_IN * len(sources) / len(SOURCES)
    figure, (axes,) = new_figure(size_in=(width_in, AROUND_IN + LINE_IN * len(lines)))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(lines) + 0.2, -2.6))
    _write_head(axes, sources)
    for line, (scheme, time) in enumerate(lines):
        _write_line(axes, line, scheme, time, texts, sources)
    figure.supxlabel(note(results), fontsize="small", color="0.3")
    return figure


def note(results: Results) -> str:
    """Return what the numbers of the table are."""
    return NOTE.format(draws=draws_in(results.points))


def table(results: Results, labels: Labels) -> pd.DataFrame:
    """Return a table with a row for each scheme and time.

    Columns of simulated times name their constants.
    """
    schemes, texts = _schemes_and_texts(results.rows, labels)
    columns = list(_columns(_sources(texts)))
    heads = {column: f"{column.statistic} (s), {labels('constants', column.source)}" for column in columns}
    lines = [
        {"scheme": scheme, "time": time} | {head: _cell(texts, scheme, time, column) for column, head in heads.items()}
        for scheme, time in product(schemes, TIMES)
    ]
    return pd.DataFrame(lines)


def _schemes_and_texts(rows: pd.DataFrame, labels: Labels) -> tuple[list[str], Texts]:
    """Return the names of schemes, and all numbers as text.

    Numbers are for lengths as recorded; rows with truncated lengths are left out. The schemes of the paper come first,
    even if they have no rows, then the other schemes of the rows. Published numbers have a line of their own if several
    lines are of their scheme.
    """
    recorded = rows[rows["workload.over_length"] == "untreated"]
    times = recorded[recorded["metric"].isin([*METRICS, UNSTABLE])]
    simulated, curves = curves_of(times, labels, ["constants"], "algorithm", one_metric=True)
    subjects = [curve.subject for curve in curves]
    names = {curve.subject: curve.label for curve in curves if subjects.count(curve.subject) == 1}
    published = dict.fromkeys(scheme for times_s in claim_rules().table1.values() for scheme in times_s)
    of_paper = {scheme: names.get(scheme, labels("algorithm", scheme)) for scheme in published}
    schemes = list(dict.fromkeys([*of_paper.values(), *(curve.label for curve in curves)]))
    return schemes, _published(of_paper) | _simulated(simulated)


def _published(names: Mapping[str, str]) -> Texts:
    numbers = claim_rules().table1
    return {
        (names[scheme], "published", metric): f"{time_s:.1f}"
        for metric, times_s in numbers.items()
        for scheme, time_s in times_s.items()
    }


def _simulated(rows: pd.DataFrame) -> Texts:
    """Return the means over all draws as text.

    A dagger marks schemes with an unstable run.
    """
    means = complete_means(rows, ["curve", "constants", "metric", "at"])
    unstable = means[(means["metric"] == UNSTABLE) & (means["mean"] > 0)]
    marked = set(zip(unstable["curve"], unstable["constants"], strict=True))
    return {
        (scheme, source, statistic_name(metric, quantile)): seconds_of(mean_s, half_width_s)
        + "†" * ((scheme, source) in marked)
        for scheme, source, metric, quantile, mean_s, half_width_s, _ in means.to_numpy()
    }


def _sources(texts: Texts) -> list[str]:
    """Return the sources of numbers, the paper's first.

    Those of the paper's table come first, then other constants of the rows.
    """
    return list(dict.fromkeys([*SOURCES, *(source for _, source, _ in texts)]))


def _columns(sources: Sequence[str]) -> Iterator[Column]:
    """Yield the columns.

    Columns of published numbers are narrower, and medians have no published numbers.
    """
    widths = {source: {"published": 0.7, "paper": 1.1}.get(source, 1.2) for source in sources}
    shown = [(statistic, source) for statistic in STATISTICS for source in sources]
    shown.remove(("median", "published"))
    total, left = sum(widths[source] for _, source in shown), 0.0
    for statistic, source in shown:
        yield Column(statistic, source, LEFT + (1 - LEFT) * (left + widths[source] / 2) / total)
        left += widths[source]


def _write_head(axes: Axes, sources: Sequence[str]) -> None:
    columns = list(_columns(sources))
    for statistic in STATISTICS:
        middles = [column.x for column in columns if column.statistic == statistic]
        axes.text((middles[0] + middles[-1]) / 2, -2.1, f"{statistic} (s)", ha="center", va="center", weight="bold")
    for column in columns:
        source = SOURCES.get(column.source, f"simulated,\n{column.source}")
        axes.text(column.x, -1.15, source, ha="center", va="center", fontsize="small")
    axes.axhline(-2.6, color="black", linewidth=1.2)


def _write_line(axes: Axes, line: int, scheme: str, time: str, texts: Texts, sources: Sequence[str]) -> None:
    """Write one line of numbers.

    The first line of a scheme also has a rule above it and the name of the scheme.
    """
    if time == TIMES[0]:
        axes.axhline(line - 0.5, color="black" if line == 0 else "0.7", linewidth=0.8)
        axes.text(0, line, scheme, va="center", weight="bold")
    axes.text(LEFT - 0.035, line, time, va="center", ha="center")
    for column in _columns(sources):
        axes.text(column.x, line, _cell(texts, scheme, time, column), ha="center", va="center")


def _cell(texts: Texts, scheme: str, time: str, column: Column) -> str:
    return texts.get((scheme, column.source, f"{time}_{STATISTICS[column.statistic]}"), "–")
