"""A comparison as lines for a terminal and as a table for a document."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from store.comparisons.compare import Comparison
from store.comparisons.ranking import Ranking
from store.disk.outcome import NOTHING_VARIES
from store.tables.labels import Labels
from store.tables.statistics import Interval, shown
from store.tables.text import aligned
from system.words import counted

FORMATS = {"difference": "{:.4g}", "half_width": "{:.3g}", "ratio": "{:.4g}", "p_holm": "{:.2g}"}


def comparison_lines(comparison: Comparison, show_equal: bool = False) -> list[str]:
    """Return the comparison as lines.

    After the table come the points that are equal in every draw, unless `show_equal` keeps them in the table, the
    reasons why others are not compared, the ranking, and the code that differs.
    """
    table = comparison.table
    is_compared = table["reason"] == ""
    is_folded = comparison.is_equal & (not show_equal)
    lines = [_header(comparison)]
    if (is_compared & ~is_folded).any():
        lines += aligned(_for_people(comparison, is_compared & ~is_folded))
    axes = _shown_axes(comparison)
    if is_folded.any():
        lines.append(f"equal in every draw ({is_folded.sum()}): {_coordinates(table[is_folded], axes)}")
    for reason, group in table[~is_compared].groupby("reason", sort=False):
        lines.append(f"not compared ({len(group)}): {reason} {_coordinates(group, axes)}")
    lines += _notes(table[is_compared])
    if comparison.ranking is not None:
        lines += ["", *_ranking_lines(comparison.ranking)]
    if comparison.modules is not None:
        lines.append(f"code that differs: {', '.join(comparison.modules) or 'none'}")
    return lines


def comparison_table(comparison: Comparison, labels: Labels) -> pd.DataFrame:
    """Return the compared points for a document, intervals as cells."""
    compared = comparison.table[comparison.table["reason"] == ""]
    differences = [
        Interval(*values) for values in compared[["difference", "half_width", "pairs"]].itertuples(index=False)
    ]
    named = {axis: compared[axis].map(partial(labels, axis)) for axis in _shown_axes(comparison)}
    table = _for_people(comparison, compared.index).drop(columns="±")
    return table.assign(**named, difference=pd.Series(differences, table.index, object))


def _header(comparison: Comparison) -> str:
    """Return what is compared and how p-values are adjusted."""
    a, b = comparison.sides
    header = f"{comparison.measure}; difference is {b} - {a} over paired draws, ± its 95 % interval"
    family = int(comparison.table["p_holm"].notna().sum())
    is_shown = family > 1 and not comparison.is_equal.all()
    return header + (f"; p_holm is adjusted for {family} comparisons" if is_shown else "")


def _for_people(comparison: Comparison, chosen: Any) -> pd.DataFrame:
    """Return rows with rounded numbers and readable columns."""
    table = comparison.table.loc[chosen]
    a, b = comparison.sides
    columns = [*_shown_axes(comparison), "mean_a", "mean_b", "difference", "half_width", "ratio", "pairs"]
    columns += ["p_holm"] if comparison.table["p_holm"].notna().sum() > 1 else []
    texts = {column: table[column].map(text.format, na_action="ignore") for column, text in FORMATS.items()}
    return table.assign(**texts)[columns].rename(columns={"mean_a": a, "mean_b": b, "half_width": "±"})


def _shown_axes(comparison: Comparison) -> list[str]:
    """Return the axes, and the compared one among several values."""
    compared = comparison.names[1].partition("=")[0] if len(comparison.names) == 2 else None
    return [axis for axis in comparison.axes if axis != compared]


def _coordinates(table: pd.DataFrame, axes: Sequence[str]) -> str:
    values = (f"{axis}={','.join(map(shown, table[axis].unique()))}" for axis in axes)
    return f"[{' '.join(values)}]"


def _notes(compared: pd.DataFrame) -> list[str]:
    """Return lines on comparisons without an interval, or of fewer draws."""
    is_fixed, is_unpaired = ~compared["varies"].astype(bool), compared["unpaired"] > 0
    single = ((compared["pairs"] == 1) & ~is_fixed).sum()
    share = f"{is_fixed.sum()} of {counted(len(compared), 'comparison')}"
    lines = [f"{NOTHING_VARIES} in {share}: one value, no interval"] if is_fixed.any() else []
    lines += [f"note: {counted(single, 'comparison')} of a single draw, which gives no interval"] if single else []
    if is_unpaired.any():
        subject = counted(is_unpaired.sum(), "comparison")
        lines.append(f"note: {subject} over the draws that both sides have; one side has more")
    return lines


def _ranking_lines(ranked: Ranking) -> list[str]:
    """Return the ranking as lines."""
    skipped = f"; {counted(ranked.skipped_count, 'combination')} left out, for want of a result" * bool(
        ranked.skipped_count
    )
    lines = [f"ranks over {counted(ranked.cell_count, 'combination')}, the {ranked.best} first{skipped}"]
    columns = {
        "best": ranked.table["best"].map(lambda count: f"{count} of {ranked.cell_count}"),
        "not_worse": ranked.table["not_worse"].map(lambda count: f"{count} of {ranked.tested_count}"),
        "near_first": ranked.table["near_first"].map({True: "yes", False: "no"}),
    }
    table = ranked.table.assign(**columns)
    untested = ["not_worse"] * (ranked.tested_count == 0) + ["near_first"] * (ranked.draw_count < 2)
    lines += aligned(table.drop(columns=untested))
    if ranked.draw_count > 1:
        lines.append(
            f"Friedman's test over {ranked.draw_count} draws: p = {ranked.p:.2g}; mean ranks nearer than "
            f"{ranked.critical_difference:.3g} (Nemenyi, 5 %) cannot be told apart"
        )
    return lines
