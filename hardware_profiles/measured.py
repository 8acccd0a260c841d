"""Measured points of a profile: rows of numbers with fixed columns, written by the profiler, read by figures."""

from collections.abc import Mapping, Sequence

import numpy as np

from system.checks import float_array, require, require_one_of

TIMES = ("median_s", "p10_s", "p90_s")
# What a row of each kind holds before its times. A context counts the new token.
COLUMNS = {
    "prefill": ("blocks", "input_tokens"),
    "decode": ("blocks", "context_tokens"),
    "decode_graph": ("blocks", "context_tokens"),  # replayed as one CUDA graph
    "decode_batch": ("blocks", "jobs", "context_tokens"),
    "relay": ("tokens", "bytes"),  # to a server and back, without what the server does
}

Rows = Sequence[Sequence[float]]


def require_points(where: str, points: Mapping[str, Rows]) -> None:
    """Raise `InputError` unless each kind is known and its rows have its columns, positive, P10 <= median <= P90."""
    for kind, rows in points.items():
        require_one_of(list(COLUMNS), **{f"a kind in {where}": kind})
        _require_rows(f"{where}.{kind}", rows, (*COLUMNS[kind], *TIMES))


def _require_rows(where: str, rows: Rows, columns: Sequence[str]) -> None:
    table = float_array(where, rows)
    fits = table.ndim == 2 and table.shape[1] == len(columns)
    require(fits, where, f"array of shape {table.shape}", f"must be rows of {', '.join(columns)}")
    median_s, p10_s, p90_s = table[:, -3:].T
    sound = (np.isfinite(table) & (table > 0)).all(axis=1) & (p10_s <= median_s) & (median_s <= p90_s)
    for number in np.flatnonzero(~sound)[:1].tolist():
        remedy = f"must be {', '.join(columns)}, all above 0 and P10 <= median <= P90"
        require(sound[number], f"{where}[{number}]", table[number].tolist(), remedy)
