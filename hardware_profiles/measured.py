"""Checks of the measured parts of a profile: coefficients, and points as rows of numbers with fixed columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from system.checks import float_array, float_vector, require, require_not_negative, require_one_of

TIMES = ("median_s", "p10_s", "p90_s")
# The columns of each kind of row before its times. A context includes the new token.
COLUMNS = {
    "prefill": ("blocks", "input_tokens"),
    "decode": ("blocks", "context_tokens"),
    "decode_graph": ("blocks", "context_tokens"),  # replayed as one CUDA graph
    "decode_batch": ("blocks", "jobs", "context_tokens"),
    "relay": ("tokens", "bytes"),  # to a server and back, without the server's own time
}

Rows = Sequence[Sequence[float]]


def require_mapping(field: str, value: Any) -> None:
    """Raise `InputError` unless a field is a mapping."""
    require(isinstance(value, Mapping), field, value, "must be a mapping of names to measurements")


def _require_block(field: str, coefficients: Any) -> None:
    _require_numbers(field, coefficients, ("s", "s per input token", "s per output token"))


def _require_relay(field: str, coefficients: Any) -> None:
    _require_numbers(field, coefficients, ("s per hop", "s per byte"))


def _require_numbers(field: str, coefficients: Any, units: Sequence[str]) -> None:
    vector = float_vector(field, coefficients)
    remedy = f"must be {len(units)} numbers: {', '.join(units)}"
    require(vector.size == len(units), field, list(coefficients), remedy)


def _require_report(field: str, report: Any) -> None:
    """Raise `InputError` unless a report has numbers of at least 0.

    Only R² may be negative: noise can make a fit worse than the mean.
    """
    require_mapping(field, report)
    float_vector(field, list(report.values()), -np.inf)
    require_not_negative(**{f"{field}.{name}": value for name, value in report.items() if not name.endswith("_r2")})


def _require_points(field: str, points: Any) -> None:
    """Raise `InputError` unless all kinds are known and their rows are valid."""
    require_mapping(field, points)
    for kind, rows in points.items():
        require_one_of(list(COLUMNS), **{f"a kind in {field}": kind})
        _require_rows(f"{field}.{kind}", rows, (*COLUMNS[kind], *TIMES))


def _require_rows(field: str, rows: Rows, columns: Sequence[str]) -> None:
    """Raise `InputError` unless rows fit their columns.

    All numbers must be positive, and P10 <= median <= P90.
    """
    table = float_array(field, rows)
    fits = table.ndim == 2 and table.shape[1] == len(columns)
    require(fits, field, f"array of shape {table.shape}", f"must be rows of {', '.join(columns)}")
    median_s, p10_s, p90_s = table[:, -3:].T
    is_valid = (np.isfinite(table) & (table > 0)).all(axis=1) & (p10_s <= median_s) & (median_s <= p90_s)
    first = int(is_valid.argmin())
    remedy = f"must be {', '.join(columns)}, all above 0 and P10 <= median <= P90"
    require(bool(is_valid[first]), f"{field}[{first}]", table[first].tolist(), remedy)


# The check of one model's entry, for each field of a profile that maps models to measurements.
CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "measured_block_s": _require_block,
    "measured_relay_s": _require_relay,
    "fit_report": _require_report,
    "measured_points": _require_points,
}
