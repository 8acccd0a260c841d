"""Signatures of the functions that users write and compiled loops call: policies, delays, times of steps.

The arrays that such a function gets are those of the loop itself. Their types are read-only, so that a function that
writes into them does not compile, and its indices are checked (`system.code.compiler`). Each error, of the compiler or
at run time, becomes one sentence with the name of the function.
"""

import inspect
import linecache
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types

from system.errors import InputError

INTEGERS = types.Array(types.int64, 1, "C", readonly=True)
NUMBERS = types.Array(types.float64, 1, "C", readonly=True)
UNCHECKED = ("flat", "nditer", "fill_diagonal", "ascontiguousarray")  # numba lets these write into read-only arrays
COLOURS = re.compile(r"\x1b\[[\d;]*m")  # of numba's messages where the package colorama is installed
# By a part of numba's message, what is wrong.
REASONS = {
    "Cannot modify readonly array": "writes into an array that it is given; it may only read them",
    "No conversion from none": "has a way to its end without an answer; end it with a return",
    "Only accept returning of array": "creates an array; decorate it with @compiled(..., creates_arrays=True)",
}


class AnswerError(Exception):
    """Error by which a compiled loop stops at an answer that it cannot use."""


class Role(NamedTuple):
    """The field that names a user's function, and the function's parameters."""

    field: str
    parameters: tuple[str, ...]


_ROLES: dict[Any, Role] = {}


def user_signature(field: str, parameters: str, signature: Any) -> Any:
    """Return a signature and note its field and parameters."""
    _ROLES[signature] = Role(field, tuple(parameters.split()))
    return signature


def is_for_users(signature: Any) -> bool:
    """Return whether users write the functions of a signature."""
    return signature in _ROLES


def require_suitable(function: Callable[..., Any], signature: Any) -> None:
    """Raise `InputError` for other parameters or writes that numba overlooks."""
    parameters = _ROLES[signature].parameters
    if len(inspect.signature(function).parameters) != len(parameters):
        raise refusal(function, signature, f"must take {len(parameters)} arguments: {', '.join(parameters)}")
    used = [name for name in UNCHECKED if name in function.__code__.co_names]
    if used:
        raise refusal(function, signature, f"uses {used[0]}, which could write into an array; use indices instead")


def refusal(function: Any, signature: Any, reason: str) -> InputError:
    """Return the error that names a function and its field."""
    return InputError(f"{_ROLES[signature].field} = {getattr(function, '__name__', function)}: {reason}")


def compile_error(function: Callable[..., Any], signature: Any, error: Exception) -> InputError:
    """Return the error for a function that cannot be compiled."""
    message = COLOURS.sub("", str(error))
    lines = [line for line in message.splitlines() if line.strip() and "nopython mode pipeline" not in line]
    unknown = f"cannot be compiled: {lines[0].strip()}; it may only read its arrays, and use what numba supports"
    reason = next((reason for part, reason in REASONS.items() if part in message), unknown)
    return refusal(function, signature, reason + _line_of(function, error))


def _line_of(function: Callable[..., Any], error: Exception) -> str:
    """Return the line of source that an error names, or nothing."""
    location = getattr(error, "loc", None)
    if location is None:
        return ""
    text = linecache.getline(function.__code__.co_filename, location.line).strip()
    return f" (line {location.line}: {text})"


def run_error(field: str, name: str, error: Exception) -> InputError:
    """Return the error for a function that raised an exception."""
    if isinstance(error, IndexError):
        return InputError(f"{field} = {name}: reads beyond the end of an array; keep its indices below the size")
    return InputError(f"{field} = {name}: raises {type(error).__name__} ({error}); it must always answer")
