"""Checks of the measured parts of a profile: coefficients, and points as rows of numbers with fixed columns."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from system.checks import echo, is_finite_number, require, require_count, require_one_of, require_positive
from system.limits import BLOCKS

HOSTING = ("free_memory_gb", "most_blocks", "typical_blocks", "cache_tokens")  # what a profile may state of hosting
TIMES = ("median_s", "p10_s", "p90_s")
# The columns of each kind of row before its times. A context includes the new token. A row ends with the
# median where a source states medians only.
COLUMNS = {
    "prefill": ("blocks", "input_tokens"),
    "decode": ("blocks", "context_tokens"),
    "decode_graph": ("blocks", "context_tokens"),  # replayed as one CUDA graph
    "decode_batch": ("blocks", "jobs", "context_tokens"),
    "decode_together": ("blocks", "jobs"),  # at contexts that the source does not state
    "engine_decode": ("blocks", "servers", "jobs"),  # a step of jobs on a chain of an engine, its host included
    "engine_prompt": ("blocks", "servers", "input_tokens"),  # the first token of a prompt there
    "relay": ("tokens", "bytes"),  # to a server and back, without the server's own time
}

# What an engine takes beside its blocks: for each round, each server in it, each token and each prompt, and the round
# trips for each block when a batch has a new shape (`system.service.lockstep`).
CONSTANTS = ("round_s", "hop_s", "head_s", "join_s", "shape_round_trips")

Rows = Sequence[Sequence[float]]


def require_mapping(field: str, value: Any) -> None:
    """Raise `InputError` unless a field is a mapping."""
    require(isinstance(value, Mapping), field, value, "must be a mapping of names to measurements")


def _require_block(field: str, coefficients: Any) -> None:
    """Raise `InputError` unless a block's coefficients take some time."""
    _require_numbers(field, coefficients, ("s", "s per input token", "s per output token"))
    once_s, input_token_s, output_token_s = coefficients
    takes_time = once_s + input_token_s > 0 and output_token_s > 0
    require(takes_time, field, list(coefficients), "no block computes a token in 0 s; measure again")


def _require_relay(field: str, coefficients: Any) -> None:
    _require_numbers(field, coefficients, ("s per hop", "s per byte"))


def _require_numbers(field: str, coefficients: Any, units: Sequence[str]) -> None:
    fits = isinstance(coefficients, Sequence) and len(coefficients) == len(units)
    valid = fits and all(is_finite_number(value) and value >= 0 for value in coefficients)
    require(valid, field, coefficients, f"must be {len(units)} numbers of 0 or above: {', '.join(units)}")


def _require_report(field: str, report: Any) -> None:
    """Raise `InputError` unless a report has numbers of at least 0.

    Only R² may be negative: noise can make a fit worse than the mean.
    """
    require_mapping(field, report)
    for name, value in report.items():
        least = -math.inf if str(name).endswith("_r2") else 0
        valid = is_finite_number(value) and value >= least
        require(valid, f"{field}.{echo(name)}", value, "must be a finite number, 0 or above except for R²")


def _require_engine(field: str, constants: Any) -> None:
    """Raise `InputError` unless an engine has all constants, none below 0."""
    require_mapping(field, constants)
    for name in constants:
        require_one_of(CONSTANTS, **{f"a key of {field}": str(name)})
    for name in CONSTANTS:
        value = constants.get(name)
        require(is_finite_number(value) and value >= 0, f"{field}.{name}", value, "must be a number of 0 or above")


def _require_points(field: str, points: Any) -> None:
    """Raise `InputError` unless all kinds are known and their rows are valid."""
    require_mapping(field, points)
    for kind, rows in points.items():
        require_one_of(list(COLUMNS), **{f"a kind in {field}": str(kind)})
        _require_rows(f"{field}.{kind}", rows, (*COLUMNS[kind], *TIMES))


def _require_rows(field: str, rows: Rows, columns: Sequence[str]) -> None:
    """Raise `InputError` unless rows fit their columns.

    All numbers must be positive, and P10 <= median <= P90. Rows may lack P10 and P90, but then all of them do.
    """
    remedy = f"must be rows of numbers: {', '.join(columns)}"
    is_list = isinstance(rows, Sequence) and len(rows) > 0
    lengths = {len(row) if isinstance(row, Sequence) else 0 for row in rows} if is_list else set()
    fits = lengths in ({len(columns)}, {len(columns) - 2})
    require(fits and all(is_finite_number(value) for row in rows for value in row), field, rows, remedy)
    table = np.array(rows, dtype=np.float64)
    median_s, p10_s, p90_s = table[:, -3:].T if lengths == {len(columns)} else (table[:, -1],) * 3
    is_valid = (table > 0).all(axis=1) & (p10_s <= median_s) & (median_s <= p90_s)
    first = int(is_valid.argmin())
    remedy = f"must be {', '.join(columns)}, all above 0 and P10 <= median <= P90"
    require(bool(is_valid[first]), f"{field}[{first}]", table[first].tolist(), remedy)


def _require_hosting(field: str, facts: Any) -> None:
    """Raise `InputError` unless statements of what a server hosts are numbers above 0."""
    require_mapping(field, facts)
    for key, value in facts.items():
        require_one_of(HOSTING, **{f"a key of {field}": str(key)})
        name = f"{field}.{key}"
        if key == "cache_tokens":
            valid = isinstance(value, Sequence) and len(value) > 0 and all(is_finite_number(n) and n > 0 for n in value)
            require(valid, name, value, "must be the tokens whose cache fits beside 1, 2, ... blocks")
        elif key == "free_memory_gb":
            require_positive(**{name: value})
        else:
            require_count(BLOCKS, **{name: value})


# The check of one model's entry, for each field of a profile that maps models to measurements.
CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "measured_block_s": _require_block,
    "measured_relay_s": _require_relay,
    "measured_engine": _require_engine,
    "fit_report": _require_report,
    "measured_points": _require_points,
    "hosting": _require_hosting,
}
