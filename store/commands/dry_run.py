"""Dry run: the points of a sweep, what the store has of them, and the time that the rest takes."""

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

from store.commands.status import Status
from store.commands.summary import titled
from system.words import counted


def dry_run_lines(sweep: Mapping[str, Any], status: Status, notes: Iterable[str], workers: int) -> list[str]:
    """Return what a sweep would compute on a number of workers, as lines.

    `sweep` is the record that the store would keep of it; `notes` are lines about its axes.
    """
    size = f"{counted(sweep['draws'], 'draw')}, {counted(sweep['replications'], 'replication')}"
    title = titled(status.experiment, sweep["fixed"])
    lines = [*(f"{axis} = {', '.join(_values(sweep, axis))}" for axis in sweep["axes"]), *notes]
    lines += [_stored(status), _expected(status, workers)]
    return [f"{title}: {counted(status.points, 'point')}, each of {size}", *(f"    {line}" for line in lines)]


def _values(sweep: Mapping[str, Any], axis: str) -> list[str]:
    return list(dict.fromkeys(entry["axes"][axis] for entry in sweep["points"] if axis in entry["axes"]))


def _stored(status: Status) -> str:
    """Return how many points are stored and how many are left, and why."""
    left = {"new or with new draws": status.missing, "failed earlier": status.failed, "skipped earlier": status.skipped}
    parts = ", ".join(f"{count} {name}" for name, count in left.items() if count)
    total = sum(left.values())
    return f"stored: {status.done} ({status.refused} of them refused); to compute: {total}" + (
        f" ({parts})" if total else ""
    )


def _expected(status: Status, workers: int) -> str:
    if isnan(status.left_s):
        return "expected time: unknown, as no point of this sweep has been computed"
    wall_s = status.left_s / workers
    return f"expected time: {status.left_s:.1f} s of work, {wall_s:.1f} s by {counted(workers, 'worker')}"
