"""Checks of input values.

Each error is one sentence: the field, its value, what is wrong and what to do.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system.errors import InputError

# floor(3.3 / 1.1) is 2 in floating point; a relative slack of 1e-12 makes it 3. Every floor and every check uses it.
SLACK = 1e-12
LARGEST_WHOLE = 2.0**53  # above this, floats skip whole numbers


def floor_with_slack(x: ArrayLike) -> NDArray[np.int64]:
    """Return `floor(x (1 + 1e-12))` as integers.

    A quotient that is whole up to rounding stays whole. Raises `InputError` for numbers of 2^53 or more.
    """
    whole = np.floor(np.asarray(x, dtype=np.float64) * (1 + SLACK))
    if not np.all(np.abs(whole) < LARGEST_WHOLE):
        raise InputError(f"count = {np.abs(whole).max():g}: is too large; check the units and the number of zeros")
    return whole.astype(np.int64)


def require(condition: bool, field: str, value: object, remedy: str) -> None:
    """Raise `InputError` with "field = value: remedy" unless the condition holds."""
    if not condition:
        raise InputError(f"{field} = {value}: {remedy}")


def is_finite_number(value: object) -> bool:
    """Return whether the value is a number, and neither infinite nor NaN."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and bool(np.isfinite(value))


def require_positive(**fields: float) -> None:
    """Raise `InputError` unless each field is a finite number above 0."""
    for field, value in fields.items():
        require(is_finite_number(value) and value > 0, field, value, "must be a finite number above 0")


def require_not_negative(**fields: float) -> None:
    """Raise `InputError` unless each field is a finite number, 0 or above."""
    for field, value in fields.items():
        require(is_finite_number(value) and value >= 0, field, value, "must be a finite number, 0 or above")


def require_share(**fields: float) -> None:
    """Raise `InputError` unless each field lies strictly between 0 and 1."""
    for field, value in fields.items():
        require(is_finite_number(value) and 0 < value < 1, field, value, "must lie between 0 and 1")


def require_one_of(choices: Sequence[str], **fields: str) -> None:
    """Raise `InputError` unless each field is one of the choices."""
    for field, value in fields.items():
        require(value in choices, field, value, f"must be one of {', '.join(choices)}")


def require_known(field: str, name: str, known: Iterable[str]) -> None:
    """Raise `InputError` with similar names unless the name is a known one."""
    known = sorted(known)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=2)
        advice = f"did you mean {' or '.join(near)}? Choose" if near else "choose"
        raise InputError(f"{field} = {name}: unknown; {advice} one of {', '.join(known)}")


def require_count(**fields: int) -> None:
    """Raise `InputError` unless each field is a whole number of at least 1."""
    for field, value in fields.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        require(whole and value >= 1, field, value, "must be a whole number of at least 1")


def float_array(field: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as a contiguous float64 array."""
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{field} = {values!r}: must be an array of numbers") from error


def float_vector(field: str, values: ArrayLike, minimum: float = 0.0) -> NDArray[np.float64]:
    """Return `values` as a one-dimensional float64 array.

    Raises `InputError` unless every entry is finite and at least `minimum`.
    """
    vector = float_array(field, values)
    require(vector.ndim == 1, field, f"array of shape {vector.shape}", "must be one-dimensional")
    wrong = np.flatnonzero(~(np.isfinite(vector) & (vector >= minimum)))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(f"{field}[{first}] = {vector[first]}: must be a finite number of at least {minimum:g}")
    return vector


def whole_vector(field: str, values: Any, minimum: int = 0) -> NDArray[np.int64]:
    """Return `values` as a one-dimensional int64 array.

    Raises `InputError` unless every entry is a whole number of at least `minimum` and below 2^53.
    """
    vector = float_vector(field, values, minimum)
    wrong = np.flatnonzero((vector != np.floor(vector)) | (vector >= LARGEST_WHOLE))
    if wrong.size:
        raise InputError(f"{field}[{int(wrong[0])}] = {vector[wrong[0]]}: must be a whole number below 2^53")
    return vector.astype(np.int64)
