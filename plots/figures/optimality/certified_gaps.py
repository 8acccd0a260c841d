"""Certified gaps: how far mean response times are above the bound that no scheme can beat."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from plots.drawing.curves import FLOORS, MEAN
from plots.drawing.pairs import paired
from plots.drawing.panels import Panel
from store.tables.labels import Labels
from store.tables.statistics import complete_means, shown
from store.tables.text import aligned

LOAD, SIZE, FILE = "demand.load", "cluster.server_count", "cluster.file"
CLUSTER = ("cluster", SIZE, FILE, "constants")  # the axes of clusters
BOUND = FLOORS[-1]
RATE, RATE_BOUND = "arrival_rate_per_s", "rate_bound_per_s"
MISSING = "–"


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean response times in % above the bound of their draw.

    Raises `KeyError` if no mean has a bound.
    """
    keys = [*cluster_axes(rows), LOAD, "draw"]
    bounds = rows[rows["metric"] == BOUND].drop_duplicates(keys)
    pairs = paired(rows[rows["metric"] == MEAN], bounds, keys)
    if pairs.empty:
        raise KeyError("mean response times and bounds of the same load")
    return pairs.assign(value=100 * (pairs["value"] / pairs["reference"] - 1)).drop(columns="reference")


def cluster_axes(rows: pd.DataFrame) -> list[str]:
    """Return the axes of clusters that rows have."""
    return [axis for axis in CLUSTER if axis in rows]


def cluster_words(setting: Mapping[str, Any], labels: Labels) -> list[str]:
    """Return a cluster in words: its name and size, and its constants."""
    known = {axis: value for axis, value in setting.items() if pd.notna(value)}
    words = [str(labels(CLUSTER[0], known[CLUSTER[0]]))] if CLUSTER[0] in known else []
    words += [f"J = {shown(known[SIZE])}"] if SIZE in known else []
    words += [str(known[FILE]).rsplit("/", 1)[-1].removesuffix(".yaml")] if FILE in known else []
    constants = [str(labels(CLUSTER[-1], known[CLUSTER[-1]]))] if CLUSTER[-1] in known else []
    return [*([", ".join(words)] if words else []), *constants]


def gap_lines(panels: Sequence[Panel], names: Sequence[str], labels: Labels) -> list[str]:
    """Return the tables of gaps as lines of Markdown.

    The first one has medians over the clusters, and one for each cluster follows. `names` are the curves in their
    order.
    """
    means = [complete_means(gaps(panel.rows), ["curve", LOAD]) for panel in panels]
    by_cell = pd.concat(means).groupby(["curve", LOAD])["mean"]
    medians = by_cell.median()[by_cell.count() == len(panels)].map("{:.1f}".format)
    lines = ["Medians over the clusters below:", "", *_fenced(medians, names)]
    for panel, table in zip(panels, means, strict=True):
        texts = [_text(mean, half_width) for mean, half_width in table[["mean", "half_width"]].to_numpy()]
        written = pd.Series(texts, index=pd.MultiIndex.from_frame(table[["curve", LOAD]]))
        lines += [f"## {', '.join(cluster_words(panel.setting, labels))}", "", *_fenced(written, names)]
        lines += _rate_lines(panel.rows)
    return lines


def _text(mean: float, half_width: float) -> str:
    return f"{mean:.1f}" if pd.isna(half_width) else f"{mean:.1f} ± {half_width:.1f}"


def _fenced(texts: pd.Series, names: Sequence[str]) -> list[str]:
    """Return a table with lines for curves and columns for loads."""
    table = texts.unstack(LOAD)  # noqa: PD010 as texts are not averaged
    table = table.reindex([name for name in names if name in table.index]).fillna(MISSING)
    table.columns = [f"load {shown(load)}" for load in table.columns]
    return ["```", *aligned(table.rename_axis("above the bound (%)").reset_index()), "```", ""]


def _rate_lines(rows: pd.DataFrame) -> list[str]:
    """Return a line on the largest rate; none without bounds on it."""
    keys = [*cluster_axes(rows), LOAD, "draw"]
    rates, bounds = (rows[rows["metric"] == metric].drop_duplicates(keys) for metric in (RATE, RATE_BOUND))
    pairs = paired(bounds, rates, keys)
    if pairs.empty:
        return []
    spare = pairs.assign(value=100 * (pairs["value"] * pairs[LOAD] / pairs["reference"] - 1)).drop(columns="reference")
    mean, half_width = complete_means(spare, keys[:-1]).iloc[0][["mean", "half_width"]]
    return [f"Largest rate of any composition: at most {_text(mean, half_width)} % above the largest ν over c.", ""]
