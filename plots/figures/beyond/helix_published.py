"""Predictions beside what others measured on real machines: one point for each published layout and prediction."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from plots.drawing.style import COLOURS, legend_below, logarithmic, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import complete_means
from store.tables.text import aligned

LAYOUT, PUBLISHED = "algorithm.file", "published_"
# Quantity, its name, and the metrics that predict it.
QUANTITIES = {
    "output_tokens_per_s": (
        "output, requests always wait (tokens/s)",
        ("flow_output_tokens_per_s", "saturation_output_tokens_per_s"),
    ),
    "output_token_s": ("time per further token (s)", ("output_token_mean_s",)),
    "first_token_s": ("time to the first token (s)", ("first_token_mean_s",)),
}
MARKERS = "osD^v"
BAND = 0.2
MARGIN = 1.3  # between the extreme numbers and the ends of the axes
NOTE = f"each point: one published layout; grey: within {BAND:.0%} of the published measurement"


def comparisons(rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return a row for each prediction of a published number.

    The columns are the layout, the quantity, the kind of prediction, and both numbers. Raises `KeyError` if nothing
    was predicted.
    """
    services = rows["service"] if "service" in rows else pd.Series(pd.NA, rows.index)
    named = services.map(lambda name: labels("service", name), na_action="ignore")
    kinds = named.where(services.notna(), rows["evaluator"].map(lambda name: labels("evaluator", name)))
    known = rows.assign(kind=kinds)
    parts = [_of_quantity(known, quantity, metrics) for quantity, (_, metrics) in QUANTITIES.items()]
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise KeyError("published numbers and predictions of the same layout")
    return table.assign(error=table["predicted"] / table["published"] - 1)


def _of_quantity(rows: pd.DataFrame, quantity: str, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return the predictions of one quantity beside the published numbers."""
    published = complete_means(rows[rows["metric"] == PUBLISHED + quantity], [LAYOUT])
    predicted = complete_means(rows[rows["metric"].isin(metrics)], [LAYOUT, "kind"])
    pairs = predicted.merge(published, on=LAYOUT, suffixes=("", "_published"))
    columns = {"mean": "predicted", "mean_published": "published"}
    return pairs.rename(columns=columns)[[LAYOUT, "kind", *columns.values()]].assign(quantity=quantity)


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each quantity, predictions over published numbers."""
    table = comparisons(results.rows, labels)
    shown = [quantity for quantity in QUANTITIES if quantity in set(table["quantity"])]
    looks = {
        kind: {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        for number, kind in enumerate(table["kind"].unique())
    }
    figure, panels = new_figure(len(shown))
    for axes, quantity in zip(panels, shown, strict=True):
        _points(axes, table[table["quantity"] == quantity], looks)
        name = QUANTITIES[quantity][0]
        axes.set(xlabel=f"published {name[name.rindex('(') :]}", ylabel=f"predicted {name[name.rindex('(') :]}")
        axes.set_title(name[: name.rindex("(")].strip())
    legend_below(figure, panels, len(looks), NOTE)
    return figure


def _points(axes: Axes, table: pd.DataFrame, looks: dict[Any, dict[str, Any]]) -> None:
    """Draw the predictions of one quantity on logarithmic axes."""
    numbers = table[["predicted", "published"]].to_numpy()
    ends = np.array([numbers.min() / MARGIN, numbers.max() * MARGIN])
    axes.fill_between(ends, ends * (1 - BAND), ends * (1 + BAND), color="0.9", zorder=0)
    axes.plot(ends, ends, color="black", linewidth=0.8)
    for kind, look in looks.items():
        of_kind = table[table["kind"] == kind]
        if not of_kind.empty:
            axes.plot(of_kind["published"], of_kind["predicted"], linestyle="none", label=kind, **look)
    axes.set(xscale="log", xlim=ends, ylim=ends)
    logarithmic(axes)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def card(results: Results, labels: Labels) -> str:
    """Return the errors of all predictions as Markdown."""
    table = comparisons(results.rows, labels)
    lines = ["# Published and predicted", ""]
    for quantity, of_quantity in table.groupby("quantity", sort=False):
        lines += [f"## {QUANTITIES[str(quantity)][0]}", ""]
        lines += [_summary(str(kind), of_kind) for kind, of_kind in of_quantity.groupby("kind", sort=False)]
        lines += ["", "```", *aligned(_texts(of_quantity), empty=""), "```", ""]
    return "\n".join(lines)


def _summary(kind: str, table: pd.DataFrame) -> str:
    """Return a line on the errors of one kind of prediction."""
    error = table["error"]
    rank = table["predicted"].rank().corr(table["published"].rank())
    inside, median = int((error.abs() <= BAND).sum()), error.abs().median()
    correlation = f"rank correlation {rank:.2f}; " if np.isfinite(rank) else ""
    return (
        f"- {kind}: {correlation}{error.min():+.0%} to {error.max():+.0%} off, {median:.0%} in the median, "
        f"{inside} of {len(table)} within {BAND:.0%}"
    )


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of one quantity as text, a line for each layout."""
    texts: dict[str, list[str]] = {"": table[LAYOUT].unique().tolist()}
    by_layout = table.drop_duplicates(LAYOUT).set_index(LAYOUT)
    texts["published"] = [f"{by_layout['published'][name]:.4g}" for name in texts[""]]
    for kind, of_kind in table.groupby("kind", sort=False):
        rows = of_kind.set_index(LAYOUT)
        for column, form in (("predicted", "{:.4g}"), ("error", "{:+.0%}")):
            title = str(kind) if column == "predicted" else f"off {kind}"
            texts[title] = [form.format(rows[column][name]) if name in rows.index else "" for name in texts[""]]
    return pd.DataFrame(texts)
