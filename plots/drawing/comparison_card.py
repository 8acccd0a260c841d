"""The card of a real run.

It lists, as text, the predicted and measured numbers of every cell, with relative errors.
"""

from collections.abc import Sequence

import pandas as pd

from plots.drawing.predicted import MEASURED, Kind, cell_axes, errors, kinds_in, means, with_kinds
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.statistics import shown
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
BANDS = {"service_mean_s": 0.10, "response_mean_s": 0.15}  # the largest errors that the step queues should have


def card(results: Results, labels: Labels) -> str:
    """Return the card as a page of Markdown.

    A summary of all cells comes first, then a table for each cell.
    """
    known = with_kinds(results.rows)
    axes, table, kinds = cell_axes(known), means(known), kinds_in(known, labels)
    cells = [(None, table)] if not axes else table.groupby(axes, sort=False, dropna=False)
    lines = ["# Predicted and measured", "", *_summary(table, kinds), ""]
    for values, cell in cells:
        named = [] if values is None else zip(axes, values, strict=True)
        lines += [", ".join(f"{axis} = {shown(value)}" for axis, value in named) or "one cell", "", "```"]
        lines += [*aligned(_cell_table(cell, kinds), empty=""), "```", ""]
    return "\n".join(lines)


def time_name(metric: str) -> str:
    """Return the name of a compared time, without its unit."""
    return LINES[metric].removesuffix(" (s)")


def _summary(table: pd.DataFrame, kinds: Sequence[Kind]) -> list[str]:
    """Return a line on the errors of each prediction.

    The errors are those of all cells. A line has the smallest and largest error, and the number of cells with an error
    inside the band.
    """
    if MEASURED not in table:
        return ["Nothing was measured yet."]
    relative = errors(table, kinds)
    predictions = [kind for kind in kinds if kind.name in relative and kind.name != MEASURED]
    return [
        f"- {label}: " + "; ".join(_errors(relative, name, metric) for metric in BANDS)
        for name, label, _ in predictions
    ]


def _errors(relative: pd.DataFrame, kind: str, metric: str) -> str:
    error, band = relative.loc[relative["metric"] == metric, kind].dropna(), BANDS[metric]
    name = time_name(metric)
    if error.empty:
        return f"{name} not compared"
    inside = int((error.abs() <= band).sum())
    return f"{name} {error.min():+.0%} to {error.max():+.0%} off, {inside} of {len(error)} within {band:.0%}"


def _cell_table(cell: pd.DataFrame, kinds: Sequence[Kind]) -> pd.DataFrame:
    """Return a cell's table, with a column for each kind.

    Predictions have a further column with their errors. Metrics without any number in the cell are left out.
    """
    present = [kind for kind in kinds if kind.name in cell]
    values = cell[[kind.name for kind in present]]
    idle = (cell["metric"] == "server_utilisation") & (values.fillna(0) == 0).all(axis=1)
    listed = cell[cell["metric"].isin(LINES) & ~idle]
    ordered = listed.assign(rank=listed["metric"].map(list(LINES).index))
    lines = ordered.sort_values(["rank", "at"])
    labels = [_label(metric, coordinate) for metric, coordinate in zip(lines["metric"], lines["at"], strict=True)]
    columns: dict[str, list[str]] = {"": labels}
    for name, label, _ in (kind for kind in present if lines[kind.name].notna().any()):
        columns[label] = _texts(lines[name], "{:.4g}")
        if MEASURED in lines and name != MEASURED:
            columns[f"off {label}"] = _texts(errors(lines, kinds)[name], "{:+.1%}")
    return pd.DataFrame(columns)


def _texts(values: pd.Series, form: str) -> list[str]:
    """Return the numbers as text, empty for nan."""
    return ["" if pd.isna(value) else form.format(value) for value in values]


def _label(metric: str, coordinate: float) -> str:
    return LINES[metric].format(percent=100 * coordinate, at=coordinate)
