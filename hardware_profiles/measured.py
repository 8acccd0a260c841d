"""What the profiler adds to a profile: coefficients, and points as rows of numbers with fixed columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from system.checks import float_array, float_vector, require, require_not_negative, require_one_of

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


def require_mapping(where: str, found: Any) -> None:
    """Raise `InputError` unless it is a mapping."""
    require(isinstance(found, Mapping), where, found, "must be a mapping of names to what was measured")


def _require_block(where: str, coefficients: Any) -> None:
    _require_numbers(where, coefficients, ("s", "s per input", "s per output token"))


def _require_relay(where: str, coefficients: Any) -> None:
    _require_numbers(where, coefficients, ("s per hop", "s per byte"))


def _require_numbers(where: str, coefficients: Any, units: Sequence[str]) -> None:
    vector = float_vector(where, coefficients)
    remedy = f"must be {len(units)} numbers: {', '.join(units)}"
    require(vector.size == len(units), where, list(coefficients), remedy)


def _require_report(where: str, report: Any) -> None:
    """Numbers, and none below 0 but R², which is where noise hides the line."""
    require_mapping(where, report)
    float_vector(where, list(report.values()), -np.inf)
    require_not_negative(**{f"{where}.{name}": value for name, value in report.items() if not name.endswith("_r2")})


def _require_points(where: str, points: Any) -> None:
    """Each kind is known and its rows have its columns, positive, P10 <= median <= P90."""
    require_mapping(where, points)
    for kind, rows in points.items():
        require_one_of(list(COLUMNS), **{f"a kind in {where}": kind})
        _require_rows(f"{where}.{kind}", rows, (*COLUMNS[kind], *TIMES))


def _require_rows(where: str, rows: Rows, columns: Sequence[str]) -> None:
    table = float_array(where, rows)
    fits = table.ndim == 2 and table.shape[1] == len(columns)
    require(fits, where, f"array of shape {table.shape}", f"must be rows of {', '.join(columns)}")
    median_s, p10_s, p90_s = table[:, -3:].T
    sound = (np.isfinite(table) & (table > 0)).all(axis=1) & (p10_s <= median_s) & (median_s <= p90_s)
    first = int(sound.argmin())
    remedy = f"must be {', '.join(columns)}, all above 0 and P10 <= median <= P90"
    require(bool(sound[first]), f"{where}[{first}]", table[first].tolist(), remedy)


# Of each field of a profile that is a mapping by model, what holds for a model's part.
CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "measured_block_s": _require_block,
    "measured_relay_s": _require_relay,
    "fit_report": _require_report,
    "measured_points": _require_points,
}
