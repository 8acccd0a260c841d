"""The card of a real run: every number of a cell as it was predicted and measured, with relative errors, as text."""

import pandas as pd

from plots.predicted import LOOK_OF_KIND, MEASURED, cell_axes, errors, means, with_kinds
from store.table import aligned

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


def card(rows: pd.DataFrame, draws: int) -> str:
    """A page of Markdown: what holds over all cells, then a table a cell."""
    known = with_kinds(rows)
    axes, table = cell_axes(known), means(known, draws)
    cells = [(None, table)] if not axes else table.groupby(axes, sort=False)
    lines = ["# Predicted and measured", "", *_summary(table), ""]
    for values, cell in cells:
        named = [] if values is None else zip(axes, values, strict=True)
        lines += [", ".join(f"{axis} = {value}" for axis, value in named) or "one cell", "", "```"]
        lines += [*aligned(_cell_table(cell), empty=""), "```", ""]
    return "\n".join(lines)


def _summary(table: pd.DataFrame) -> list[str]:
    """For each prediction, the largest errors against the measured, and in how many cells they lie in the band."""
    if MEASURED not in table:
        return ["Nothing was measured yet."]
    off = errors(table)
    predictions = [kind for kind in LOOK_OF_KIND if kind in off and kind != MEASURED]
    return [f"- {kind}: " + "; ".join(_told(off, kind, metric) for metric in BANDS) for kind in predictions]


def _told(off: pd.DataFrame, kind: str, metric: str) -> str:
    error, band = off.loc[off["metric"] == metric, kind].dropna(), BANDS[metric]
    name = LINES[metric].removesuffix(" (s)")
    if error.empty:
        return f"{name} not compared"
    inside = int((error.abs() <= band).sum())
    return f"{name} {error.min():+.0%} to {error.max():+.0%} off, {inside} of {len(error)} within {band:.0%}"


def _cell_table(cell: pd.DataFrame) -> pd.DataFrame:
    """The lines of the card that the cell has numbers for, a column a kind, each prediction with its error."""
    kinds = [kind for kind in LOOK_OF_KIND if kind in cell]
    idle = (cell["metric"] == "server_utilisation") & (cell[kinds].fillna(0) == 0).all(axis=1)
    told = cell[cell["metric"].isin(LINES) & ~idle]
    ordered = told.assign(rank=told["metric"].map(list(LINES).index))
    shown = ordered.sort_values(["rank", "at"])
    labels = [_label(metric, at) for metric, at in zip(shown["metric"], shown["at"], strict=True)]
    columns: dict[str, list[str]] = {"": labels}
    for kind in (kind for kind in kinds if shown[kind].notna().any()):
        columns[kind] = _texts(shown[kind], "{:.4g}")
        if MEASURED in shown and kind != MEASURED:
            columns[f"off {kind}"] = _texts(errors(shown)[kind], "{:+.1%}")
    return pd.DataFrame(columns)


def _texts(values: pd.Series, form: str) -> list[str]:
    """The numbers as text, nothing where there is none."""
    return ["" if pd.isna(value) else form.format(value) for value in values]


def _label(metric: str, at: float) -> str:
    return LINES[metric].format(percent=100 * at, at=at)
