"""Progress of experiments: points done, points without a result and why, and the work left."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from store.disk.outcome import Outcome
from store.disk.parts import Part, Parts, missing_parts
from store.disk.store import Store
from store.tables.currency import current_only
from store.tables.reading import axes_table, outcomes, points_of, sizes_of
from store.tables.text import aligned
from store.workers.locks import is_held

LEGEND = (
    "done includes refused points (infeasible, unstable), as these are results; missing includes outdated points, "
    "computed by other code or data; left_s and left_wall_s are estimates"
)
NOTED = ("failed", "skipped")
OUTDATED = "outdated"  # complete, but computed by other code
AHEAD = ("failed", "missing", OUTDATED)  # the next sweep computes these; skipped points would be skipped again


class Status(NamedTuple):
    """Progress of one experiment. Refused points are done, as a refusal is a result."""

    experiment: str
    points: int
    done: int
    refused: int  # infeasible or unstable
    skipped: int
    failed: int
    missing: int
    outdated: int  # of those: computed by other code
    running: int  # of the points that are not done
    done_s: float  # seconds of work
    left_s: float  # an estimate; nan while no point has been computed
    left_wall_s: float  # the same on all cores of this machine


class Attempts(NamedTuple):
    """A reason why points have no result, and the last attempt that ended for it."""

    status: str  # failed or skipped
    points: int
    reason: str
    last: str  # time, UTC
    machine: str
    point: str


def experiment_status(store: Store, experiments: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the status of experiments, and why points failed or were skipped.

    The first table has a row (`Status`) for each experiment, the second a row (`Attempts`) for each reason. Both cover
    all sweeps of an experiment.
    """
    rows, unfinished = [], set()
    for name in experiments:
        status, by_point = sweep_status(store, name, store.experiment(name))
        rows.append(status)
        unfinished |= {point for point in by_point if by_point[point].status in NOTED}
    return pd.DataFrame(rows, columns=list(Status._fields)), _attempts(store, unfinished)


def sweep_status(store: Store, experiment: str, sweep: dict[str, Any]) -> tuple[Status, dict[str, Outcome]]:
    """Return the status of any sweep, and the outcome of each of its points."""
    parts, current = store.parts(points_of(sweep)), set(points_of(current_only(sweep)))
    by_point = {
        point: outcome._replace(status=OUTDATED) if outcome.is_complete and point not in current else outcome
        for point, outcome in outcomes(store, sizes_of(sweep), parts).items()
    }
    return _status(experiment, by_point, _left_s(sweep, parts, by_point), store), by_point


def _status(experiment: str, by_point: dict[str, Outcome], left_s: NDArray[np.float64], store: Store) -> Status:
    names = Counter(outcome.status for outcome in by_point.values())
    return Status(
        experiment,
        points=len(by_point),
        done=sum(outcome.is_complete for outcome in by_point.values()),
        refused=names["infeasible"] + names["unstable"],
        skipped=names["skipped"],
        failed=names["failed"],
        missing=names["missing"] + names[OUTDATED],
        outdated=names[OUTDATED],
        running=sum(is_held(store.folder, point) for point in by_point if not by_point[point].is_complete),
        done_s=sum(outcome.duration_s for outcome in by_point.values() if outcome.status != OUTDATED),
        left_s=float(left_s.sum()),
        left_wall_s=float(max(left_s.sum() / (os.cpu_count() or 1), left_s.max(initial=0.0))),
    )


def _left_s(sweep: dict[str, Any], parts: Parts, by_point: dict[str, Outcome]) -> NDArray[np.float64]:
    """Return the seconds of work left at each point."""
    axes = axes_table(sweep)
    sizes = sizes_of(sweep)
    usable = {p: () if by_point[p].status == OUTDATED else parts[p] for p in parts}
    ahead = [_cells(missing_parts(usable[p], *sizes[p])) if by_point[p].status in AHEAD else 0 for p in axes["point"]]
    cell_s = [by_point[p].duration_s / _cells(parts[p]) if parts[p] else np.nan for p in axes["point"]]
    return left_s(axes.drop(columns="point").to_numpy(str), np.array(ahead), np.array(cell_s))


def left_s(axes: NDArray[np.str_], ahead: NDArray[np.int64], cell_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an estimate of the seconds of work left at each of n points.

    `axes` (n, axes) are the values of the axes, `ahead` the number of cells (draws times replications) left at each
    point, and `cell_s` the seconds that a cell of the point took, nan where unknown. An unknown time is the mean over
    the points that share most values with the point. If no time is known, points with work left are nan.
    """
    known = np.flatnonzero(np.isfinite(cell_s))
    seconds = np.where(ahead > 0, np.nan, 0.0)
    for n in np.flatnonzero(ahead) if known.size else ():
        shared = (axes[known] == axes[n]).sum(axis=1)
        seconds[n] = ahead[n] * cell_s[known[shared == shared.max()]].mean()
    return seconds


def _cells(parts: Sequence[Part]) -> int:
    return sum(len(part.draws) * len(part.replications) for part in parts)


def _attempts(store: Store, points: Iterable[str]) -> pd.DataFrame:
    """Return a row for each reason in the notes on these points."""
    notes = [store.unfinished(point) for point in sorted(points)]
    by_reason: dict[tuple[str, str], list[Attempts]] = {}
    for attempt in sorted((_attempt(note) for note in notes if note), key=lambda attempt: attempt.last):
        by_reason.setdefault((attempt.status, attempt.reason), []).append(attempt)
    rows = [alike[-1]._replace(points=len(alike)) for alike in by_reason.values()]
    return pd.DataFrame(rows, columns=list(Attempts._fields))


def _attempt(note: dict[str, Any]) -> Attempts:
    machine = note["provenance"]["machine"]["name"]
    return Attempts(note["status"], 1, note["reason"], note["started"], machine, note["point"])


def status_lines(table: pd.DataFrame, attempts: pd.DataFrame) -> list[str]:
    """Return both tables of `experiment_status` as lines."""
    lines = [*aligned(table.round(1), empty="unknown"), LEGEND]
    return lines + [
        f"{row.status} ({row.points}): {row.reason} [last {row.last} on {row.machine}, point {row.point}]"
        for row in attempts.itertuples()
    ]
