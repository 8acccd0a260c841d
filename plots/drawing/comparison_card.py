"""The card of a real run: every number of a cell as it was predicted and measured, with relative errors, as text."""

from collections.abc import Sequence

import pandas as pd

from plots.drawing.predicted import MEASURED, Kind, cell_axes, errors, kinds_in, means, with_kinds
from store.tables.labels import Labels
from store.tables.text import aligned

LINES = {
    "response_mean_s": "mean response (s)",
    "response_quantile_s": "P{percent:g} response (s)",
    "waiting_mean_s": "mean waiting (s)",
    "service_mean_s": "mean service (s)",
    "compute_mean_s": "  computation (s)",
    "queue_mean_s": "  other jobs' steps (s)",
    "communication_mean_s": "  communication (s)",
    "server_utilisation": "server {at:g} computes (share)",
    "overhead_per_hop_median_s": "overhead a hop, median (s)",
    "transport_per_hop_median_s": "transport a hop, median (s)",
    "tokens_identical": "tokens as the whole model's (share)",
    "rerouted_jobs": "jobs rerouted",
    "failed_jobs": "jobs that failed",
}
BANDS = {"service_mean_s": 0.10, "response_mean_s": 0.15}  # within which the step queues are to be


def card(rows: pd.DataFrame, draws: int, labels: Labels) -> str:
    """Return a page of Markdown: what holds over all cells, then a table for each cell."""
    known = with_kinds(rows)
    axes, table, kinds = cell_axes(known), means(known, draws), kinds_in(known, labels)
    cells = [(None, table)] if not axes else table.groupby(axes, sort=False)
    lines = ["# Predicted and measured", "", *_summary(table, kinds), ""]
    for values, cell in cells:
        named = [] if values is None else zip(axes, values, strict=True)
        lines += [", ".join(f"{axis} = {value}" for axis, value in named) or "one cell", "", "```"]
        lines += [*aligned(_cell_table(cell, kinds), empty=""), "```", ""]
    return "\n".join(lines)


def _summary(table: pd.DataFrame, kinds: Sequence[Kind]) -> list[str]:
    """Return for each prediction the largest errors against the measured, and how many cells are in the band."""
    if MEASURED not in table:
        return ["Nothing was measured yet."]
    off = errors(table, kinds)
    predictions = [kind for kind in kinds if kind.name in off and kind.name != MEASURED]
    return [
        f"- {label}: " + "; ".join(_errors(off, name, metric) for metric in BANDS) for name, label, _ in predictions
    ]


def _errors(off: pd.DataFrame, kind: str, metric: str) -> str:
    error, band = off.loc[off["metric"] == metric, kind].dropna(), BANDS[metric]
    name = LINES[metric].removesuffix(" (s)")
    if error.empty:
        return f"{name} not compared"
    inside = int((error.abs() <= band).sum())
    return f"{name} {error.min():+.0%} to {error.max():+.0%} off, {inside} of {len(error)} within {band:.0%}"


def _cell_table(cell: pd.DataFrame, kinds: Sequence[Kind]) -> pd.DataFrame:
    """Return the lines of the card that a cell has numbers for, a column for each kind, predictions with errors."""
    present = [kind for kind in kinds if kind.name in cell]
    values = cell[[kind.name for kind in present]]
    idle = (cell["metric"] == "server_utilisation") & (values.fillna(0) == 0).all(axis=1)
    listed = cell[cell["metric"].isin(LINES) & ~idle]
    ordered = listed.assign(rank=listed["metric"].map(list(LINES).index))
    shown = ordered.sort_values(["rank", "at"])
    labels = [_label(metric, at) for metric, at in zip(shown["metric"], shown["at"], strict=True)]
    columns: dict[str, list[str]] = {"": labels}
    for name, label, _ in (kind for kind in present if shown[kind.name].notna().any()):
        columns[label] = _texts(shown[name], "{:.4g}")
        if MEASURED in shown and name != MEASURED:
            columns[f"off {label}"] = _texts(errors(shown, kinds)[name], "{:+.1%}")
    return pd.DataFrame(columns)


def _texts(values: pd.Series, form: str) -> list[str]:
    """The numbers as text, nothing where there is none."""
    return ["" if pd.isna(value) else form.format(value) for value in values]


def _label(metric: str, at: float) -> str:
    return LINES[metric].format(percent=100 * at, at=at)
