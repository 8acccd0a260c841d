"""Checks of input values.

Each error is one sentence: the field, its value, what is wrong and what to do.
"""

import os
import reprlib
import socket
import sys
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system.errors import InputError
from system.limits import ECHO, LARGEST, LISTED, NAME_BYTES, SMALLEST
from system.words import near_names

# floor(3.3 / 1.1) is 2 in floating point; a relative slack of 1e-12 makes it 3. Every floor and every check uses it.
SLACK = 1e-12
ANSWER_S = 5.0  # the head of a Ray cluster may take this long to accept a connection
MOST_FLOAT = sys.float_info.max
PART_BYTES = 255  # of a name that file systems keep
# Names that Windows gives to devices: an archive with such a file cannot be unpacked there.
DEVICES = frozenset({"CON", "PRN", "AUX", "NUL"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)})
LARGEST_WHOLE = 2.0**53  # above this, floats skip whole numbers
RANGE = f"must lie between {SMALLEST:g} and {LARGEST:g}; check the units and the number of zeros"


class _Short(reprlib.Repr):
    """Shortened values; Python does not write out very long whole numbers."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"a number of {x.bit_length()} bits"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxlong = ECHO


def floor_with_slack(x: ArrayLike) -> NDArray[np.int64]:
    """Return `floor(x (1 + 1e-12))` as integers.

    A quotient that is whole up to rounding stays whole. Raises `InputError` for numbers of 2^53 or more.
    """
    whole = np.floor(np.asarray(x, dtype=np.float64) * (1 + SLACK))
    if not (np.abs(whole) < LARGEST_WHOLE).all():
        raise InputError(f"count = {np.abs(whole).max():g}: is too large; check the units and the number of zeros")
    return whole.astype(np.int64)


def require(condition: bool, field: str, value: object, remedy: str) -> None:
    """Raise `InputError` with "field = value: remedy" unless the condition holds."""
    if not condition:
        raise InputError(f"{field} = {echo(value)}: {remedy}")


def echo(value: object) -> str:
    """Return a value as a message shows it: shortened where it is long.

    A huge list or text is not written out first.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        short = _cut(value, ECHO)
        return short if short.isprintable() else repr(short)  # a line break would end the sentence
    if isinstance(value, (list, tuple, dict, set, frozenset, int)):
        return _cut(_SHORT.repr(value), 3 * ECHO)
    return echo(str(value))


def _cut(text: str, most: int) -> str:
    """Return a text without its middle if it is longer than `most`."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 4 :]}"


def is_finite_number(value: object) -> bool:
    """Return whether the value is a number, and neither infinite nor NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    plain = value if isinstance(value, int) else float(value)  # numpy warns of bounds beyond a small type
    return -MOST_FLOAT <= plain <= MOST_FLOAT


def require_positive(**fields: float) -> None:
    """Raise `InputError` unless each field is a positive number in range."""
    for field, value in fields.items():
        require(is_finite_number(value) and value > 0, field, value, "must be a finite number above 0")
        require(SMALLEST <= float(value) <= LARGEST, field, value, RANGE)


def require_not_negative(**fields: float) -> None:
    """Raise `InputError` unless each field is 0 or a positive number in range."""
    for field, value in fields.items():
        require(is_finite_number(value) and value >= 0, field, value, "must be a finite number, 0 or above")
        require(float(value) <= LARGEST, field, value, RANGE)


def require_share(**fields: float) -> None:
    """Raise `InputError` unless each field lies strictly between 0 and 1."""
    for field, value in fields.items():
        require(is_finite_number(value) and 0 < value < 1, field, value, "must lie between 0 and 1")


def require_at_most(limit: float, **fields: float) -> None:
    """Raise `InputError` unless each field is at most the limit."""
    for field, value in fields.items():
        require(value <= limit, field, value, f"must be at most {limit:,}; check the units and the number of zeros")


def require_memory(size_bytes: float, remedy: str, **fields: float) -> None:
    """Raise `InputError` unless this machine has the memory that fields ask for."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for field, value in fields.items():
        sizes = f"needs about {size_bytes / 1e9:,.0f} GB of memory, more than the {machine_bytes / 1e9:,.0f} GB here"
        require(size_bytes <= machine_bytes, field, value, f"{sizes}; {remedy}")


def require_ray(address: str, field: str, value: object, remedy: str) -> None:
    """Raise `InputError` unless a Ray cluster accepts connections at HOST:PORT.

    Ray itself would try forever.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(f"{field} = {value}: no Ray answers there ({error}); {remedy}") from error


def require_boolean(**fields: object) -> None:
    """Raise `InputError` unless each field is true or false."""
    for field, value in fields.items():
        require(isinstance(value, (bool, np.bool_)), field, value, "must be true or false")


def require_one_of(choices: Sequence[str], **fields: str) -> None:
    """Raise `InputError` unless each field is one of the choices."""
    for field, value in fields.items():
        require(value in choices, field, value, f"must be one of {', '.join(choices)}")


def require_known(field: str, name: str, known: Iterable[str]) -> None:
    """Raise `InputError` with similar names unless the name is a known one."""
    known = list(known)
    if name not in known:
        near = near_names(str(name)[:ECHO], known)
        advice = f"did you mean {' or '.join(map(echo, near))}? Choose" if near else "choose"
        raise InputError(f"{field} = {echo(name)}: unknown; {advice} one of {_cut(', '.join(sorted(known)), LISTED)}")


def is_name(value: object) -> bool:
    """Return whether a value can name a visible file in a folder."""
    if not isinstance(value, str) or not value.isprintable() or set(value) & set("/\\"):
        return False
    is_device = value.partition(".")[0].upper() in DEVICES
    return value.strip(" ") == value != "" and value[0] != "." and len(value.encode()) <= NAME_BYTES and not is_device


def require_name(**fields: object) -> None:
    """Raise `InputError` unless each field can name a file."""
    remedy = f"must be a name such as mine: up to {NAME_BYTES} characters, without / and \\, no dot before it, "
    remedy += "no blanks around it, and no device of Windows"
    for field, value in fields.items():
        require(is_name(value), field, _visible(value), remedy)


def require_path(**fields: object) -> None:
    """Raise `InputError` unless each field can be the path of a file or folder."""
    for field, value in fields.items():
        is_path = isinstance(value, Path) or (isinstance(value, str) and bool(value.strip()))
        parts = Path(str(value)).parts if is_path else ()
        fits = is_path and all(part.isprintable() and len(part.encode()) <= PART_BYTES for part in parts)
        require(fits, field, _visible(value), "must be the path of a file or folder")


def _visible(value: object) -> object:
    """Return a value, or what shows its blanks and control characters."""
    is_plain = not isinstance(value, (str, Path)) or (str(value).isprintable() and str(value).strip())
    return value if is_plain else ascii(str(value))


def require_count(most: float = inf, /, **fields: int) -> None:
    """Raise `InputError` unless each field is a whole number from 1 to `most`."""
    for field, value in fields.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        require(whole and value >= 1, field, value, "must be a whole number of at least 1")
    require_at_most(most, **fields)


def float_array(field: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as a contiguous float64 array."""
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{field} = {_SHORT.repr(values)}: must be an array of numbers") from error


def float_vector(field: str, values: ArrayLike, minimum: float = 0.0) -> NDArray[np.float64]:
    """Return `values` as a one-dimensional float64 array.

    Raises `InputError` unless every entry is at least `minimum` and at most 1e100, so that products stay finite.
    """
    vector = float_array(field, values)
    if vector.ndim == 1 and _lie_in(vector, max(minimum, -LARGEST), LARGEST):
        return vector
    require(vector.ndim == 1, field, f"array of shape {vector.shape}", "must be one-dimensional")
    wrong = np.flatnonzero(~(np.isfinite(vector) & (vector >= minimum)))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(f"{field}[{first}] = {vector[first]}: must be a finite number of at least {minimum:g}")
    large = np.flatnonzero(vector > LARGEST)
    if large.size:
        raise InputError(f"{field}[{int(large[0])}] = {vector[large[0]]}: {RANGE}")
    return vector


def _lie_in(values: NDArray[Any], least: float, most: float) -> bool:
    """Return whether all values lie in a range.

    Two reductions say so much faster than a search for the values that do not.
    """
    return values.size == 0 or bool(values.min() >= least and values.max() <= most)


def whole_vector(field: str, values: Any, minimum: int = 0) -> NDArray[np.int64]:
    """Return `values` as a one-dimensional int64 array.

    Raises `InputError` unless every entry is a whole number of at least `minimum` and below 2^53.
    """
    is_vector = isinstance(values, np.ndarray) and values.dtype == np.int64 and values.ndim == 1
    if is_vector and _lie_in(values, minimum, LARGEST_WHOLE - 1):
        return np.array(values)
    vector = float_vector(field, values, minimum)
    wrong = np.flatnonzero((vector != np.floor(vector)) | (vector >= LARGEST_WHOLE))
    if wrong.size:
        raise InputError(f"{field}[{int(wrong[0])}] = {vector[wrong[0]]}: must be a whole number below 2^53")
    return vector.astype(np.int64)
