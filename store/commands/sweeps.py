"""Sweeps of an experiment: listed, shown one by one, and taken out of the view over all."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from store.disk.outcome import COMPLETE
from store.disk.store import ONLY, Store
from store.tables.reading import points_table
from store.tables.reference import command_of
from store.tables.text import aligned
from system.checks import require


class Swept(NamedTuple):
    """One sweep of an experiment."""

    sweep: int  # its number, from 1
    started: str  # UTC
    points: int
    done: int  # refused points are done, as in `store status`
    failed: int
    missing: int  # and skipped
    outdated: int  # of all points: those that other code computed
    command: str


def sweep_lines(store: Store, experiment: str) -> list[str]:
    """Return a table of an experiment's sweeps as lines."""
    rows = [_swept(store, experiment, number) for number, _ in enumerate(store.sweeps(experiment), 1)]
    points = len(store.experiment(experiment)["points"])
    return [*aligned(pd.DataFrame(rows, columns=list(Swept._fields))), f"{experiment} is all of them: {points} points"]


def _swept(store: Store, experiment: str, number: int) -> Swept:
    name = f"{experiment}{ONLY}{number}"
    (sweep,) = store.sweeps(name)
    points = points_table(store, store.experiment(name))
    counts = Counter(points["status"])
    done = sum(counts[status] for status in COMPLETE)
    outdated = int((~points["is_current"] & points["status"].isin(COMPLETE)).sum())
    started = sweep["started"][:19].replace("T", " ")
    missing = counts["missing"] + counts["skipped"]
    return Swept(number, started, len(points), done, counts["failed"], missing, outdated, command_of(experiment, sweep))


def sweep_details(store: Store, experiment: str, number: int) -> list[str]:
    """Return the command, axes and points of a sweep."""
    name = f"{experiment}{ONLY}{number}"
    (sweep,) = store.sweeps(name)
    view = store.experiment(name)
    points = points_table(store, view)
    columns = ["point", *view["axes"], "status", "draws", "replications", "is_current"]
    return [
        f"{name}, started {sweep['started'][:19].replace('T', ' ')}",
        f"command: {command_of(experiment, sweep)}",
        *(f"axis {axis}: {_values(view, axis)}" for axis in view["axes"]),
        *aligned(points[columns]),
    ]


def _values(view: Mapping[str, Any], axis: str) -> str:
    values = dict.fromkeys(entry["axes"].get(axis) for entry in view["points"])
    return ", ".join("none" if value is None else value for value in values)


def remove_sweeps(store: Store, experiment: str, numbers: list[int], keep: bool) -> None:
    """Take sweeps out of an experiment, or with `keep` all others.

    Their points stay in the store.
    """
    count = len(store.sweeps(experiment))
    for number in numbers:
        require(0 < number <= count, "sweep", number, f"the sweeps of {experiment} are 1 to {count}")
    store.remove_sweeps(experiment, [n for n in range(1, count + 1) if (n in numbers) != keep])
