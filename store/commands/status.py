"""How far experiments are: what is done, what came to nothing and why, and how much work is left."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from store.disk.locks import is_held
from store.disk.outcome import Outcome
from store.disk.store import Part, Parts, Store, missing_parts
from store.tables.reading import axes_table, outcomes, points_of
from store.tables.text import aligned

LEGEND = "done counts refused points (infeasible, unstable): these are results; left_s and left_wall_s are estimates"
NOTED = ("failed", "skipped")
AHEAD = ("failed", "missing")  # what the next sweep computes; what is skipped it would skip again


class Status(NamedTuple):
    """How far one experiment is. Refused points are done: that there is no answer is a result."""

    experiment: str
    points: int
    done: int
    refused: int  # infeasible or unstable
    skipped: int
    failed: int
    missing: int
    running: int  # of those that are not done
    done_s: float  # seconds of work
    left_s: float  # an estimate; nan if nothing is there to go by
    left_wall_s: float  # the same with all cores of this machine at work


class Attempts(NamedTuple):
    """A reason why points came to nothing, and the last attempt that it ended."""

    status: str  # failed or skipped
    points: int
    reason: str
    last: str  # time, UTC
    machine: str
    point: str


def experiment_status(store: Store, experiments: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row an experiment (`Status`), and one row a reason why points failed or were skipped (`Attempts`).

    All as far as the draws and replications go that an experiment's last sweep asked for.
    """
    rows, unfinished = [], set()
    for name in experiments:
        sweep = store.experiment(name)
        parts = store.parts(points_of(sweep))
        found = outcomes(store, sweep, parts)
        rows.append(_status(name, found, _left_s(sweep, parts, found), store))
        unfinished |= {point for point in found if found[point].status in NOTED}
    return pd.DataFrame(rows, columns=list(Status._fields)), _attempts(store, unfinished)


def _status(experiment: str, found: dict[str, Outcome], left_s: NDArray[np.float64], store: Store) -> Status:
    names = Counter(outcome.status for outcome in found.values())
    return Status(
        experiment,
        points=len(found),
        done=sum(outcome.is_complete for outcome in found.values()),
        refused=names["infeasible"] + names["unstable"],
        skipped=names["skipped"],
        failed=names["failed"],
        missing=names["missing"],
        running=sum(is_held(store.folder, point) for point in found if not found[point].is_complete),
        done_s=sum(outcome.duration_s for outcome in found.values()),
        left_s=float(left_s.sum()),
        left_wall_s=float(max(left_s.sum() / (os.cpu_count() or 1), left_s.max(initial=0.0))),
    )


def _left_s(sweep: dict[str, Any], parts: Parts, found: dict[str, Outcome]) -> NDArray[np.float64]:
    """Seconds of work ahead at each point."""
    axes = axes_table(sweep)
    size = sweep["draws"], sweep["replications"]
    ahead = [_cells(missing_parts(parts[p], *size)) if found[p].status in AHEAD else 0 for p in axes["point"]]
    cell_s = [found[p].duration_s / _cells(parts[p]) if parts[p] else np.nan for p in axes["point"]]
    return left_s(axes.drop(columns="point").to_numpy(str), np.array(ahead), np.array(cell_s))


def left_s(axes: NDArray[np.str_], ahead: NDArray[np.int64], cell_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds for the `ahead` cells (draws times replications) of each of n points with the values `axes` (n, axes).

    `cell_s` is what a cell took, nan where that is not known: there it is the mean over the points that share most
    values with the point. All nan if nothing is known and something is ahead.
    """
    known = np.flatnonzero(np.isfinite(cell_s))
    seconds = np.where(ahead > 0, np.nan, 0.0)
    for place in np.flatnonzero(ahead) if known.size else ():
        shared = (axes[known] == axes[place]).sum(axis=1)
        seconds[place] = ahead[place] * cell_s[known[shared == shared.max()]].mean()
    return seconds


def _cells(parts: Sequence[Part]) -> int:
    return sum(len(part.draws) * len(part.replications) for part in parts)


def _attempts(store: Store, points: Iterable[str]) -> pd.DataFrame:
    """A row a reason in the notes of these points."""
    notes = [store.unfinished(point) for point in sorted(points)]
    by_reason: dict[tuple[str, str], list[Attempts]] = {}
    for attempt in sorted((_attempt(note) for note in notes if note), key=lambda attempt: attempt.last):
        by_reason.setdefault((attempt.status, attempt.reason), []).append(attempt)
    rows = [alike[-1]._replace(points=len(alike)) for alike in by_reason.values()]
    return pd.DataFrame(rows, columns=list(Attempts._fields))


def _attempt(note: dict[str, Any]) -> Attempts:
    machine = note["provenance"]["machine"]["name"]
    return Attempts(note["status"], 1, note["reason"], note["started"], machine, note["point"])


def told_status(table: pd.DataFrame, attempts: pd.DataFrame) -> list[str]:
    """Both tables of `status` in lines."""
    lines = [*aligned(table.round(1), empty="unknown"), LEGEND]
    return lines + [
        f"{row.status} ({row.points}): {row.reason} [last {row.last} on {row.machine}, point {row.point}]"
        for row in attempts.itertuples()
    ]
