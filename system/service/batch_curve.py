"""Batch curves: the time of a stack of one-token steps over its size.

A curve is a table. Its first number is the slope beyond the table; then come the ratios of the time of stacks of 1, 2,
... steps to that of a single step. Compiled functions read it as their settings.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from system.checks import is_finite_number, require
from system.code.compiler import compiled
from system.errors import NotApplicableError
from system.limits import STACK
from system.servers import Servers

Floats = NDArray[np.float64]
BatchCurve = Mapping[Any, float] | Literal["measured"]  # by whole sizes


@compiled
def ratio_at(steps, curve):
    """Return the time of a stack over that of a single step."""
    largest = curve.size - 1
    if steps <= largest:
        return curve[steps]
    return curve[largest] + curve[0] * (steps - largest)


def ratios_of(points: Mapping[int, float]) -> Floats:
    """Return the ratios of stacks of 1, 2, ... steps.

    `points` gives ratios by the size of a stack. They are linear between the sizes, and 1 for a single step.
    """
    sizes = np.array([1, *sorted(points.keys() - {1})])
    return np.interp(np.arange(1, sizes[-1] + 1), sizes, [points.get(size, 1.0) for size in sizes.tolist()])


def tables_of(ratios: list[Floats]) -> Floats:
    """Return (J, n) the curves of J servers, each with at least one ratio.

    Beyond its ratios a curve goes on with the slope of its last two, but never falls.
    """
    slopes = [max(float(values[-1] - values[-2]), 0.0) if values.size > 1 else 0.0 for values in ratios]
    most = max(values.size for values in ratios)
    steps = np.arange(1, most + 1)
    rows = [
        [slope, *np.interp(steps, steps[: values.size], values) + slope * np.maximum(steps - values.size, 0)]
        for values, slope in zip(ratios, slopes, strict=True)
    ]
    return np.array(rows)


def curves_of(batch_curve: BatchCurve, servers: Servers) -> Floats:
    """Return (J, n) the curve of each server, given or measured.

    Raises `NotApplicableError` if a server has no measured curve.
    """
    if not isinstance(batch_curve, str):
        return np.tile(tables_of([ratios_of(batch_curve)]), (len(servers), 1))
    measured = servers.batch_curves or ({},) * len(servers)
    unknown = [servers.name(j) for j, points in enumerate(measured) if not points]
    if unknown:
        raise NotApplicableError(
            f"batch_curve = measured: the profile of {unknown[0]} has no measured batches of this model; give ratios, "
            "such as batch_curve={2: 1.2, 8: 2}"
        )
    different = {id(points): points for points in measured}  # servers of one kind share their points
    tables = tables_of([ratios_of(points) for points in different.values()])
    row_of = {number: row for row, number in enumerate(different)}
    return tables[[row_of[id(points)] for points in measured]]


def batch_curve_of(given: Any) -> BatchCurve:
    """Return a given curve with whole sizes as keys, or `measured`.

    Configurations that are stored as JSON have the sizes as text. Raises `InputError` unless it is one of these.
    """
    if given == "measured":
        return "measured"
    remedy = "must be measured, or ratios to the time of a single step by size, such as {2: 1.2, 8: 2}"
    require(isinstance(given, Mapping), "batch_curve", given, remedy)
    curve = {_size(key): ratio for key, ratio in given.items()}
    for size, ratio in curve.items():
        is_ratio = is_finite_number(ratio) and ratio > 0 and (size > 1 or ratio == 1)
        require(is_ratio, f"batch_curve of {size}", ratio, "must be above 0, and 1 for a single step")
    return curve


def _size(key: Any) -> int:
    """Return the size of a stack; raise `InputError` unless it is whole."""
    size = int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 10 else key
    is_size = isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= STACK
    require(is_size, "batch_curve", key, f"must have whole sizes of stacks as keys, 1 to {STACK:,}")
    return int(size)
