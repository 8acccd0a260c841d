"""Results of an experiment as tidy tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from store.disk.outcome import Outcome, outcome_of
from store.disk.parts import Parts
from store.disk.store import Store
from store.tables.currency import current_only, warn_of_outdated

FOLDER = "outputs/store"
OWN = "_own"  # ends the name of what is made of points that the experiment's own file does not declare
MEASURED = ("draw", "replication", "metric", "at", "value")
OF_POINT = ("status", "draws")  # columns of rows that describe their point
OF_POINTS = ("point", *Outcome._fields, "draws", "replications", "is_declared", "is_current")  # besides axes
Sizes = Mapping[str, tuple[int, int]]  # the number of draws and replications of points


def load(experiment: str, store: str | Path = FOLDER, outdated: bool = True) -> pd.DataFrame:
    """Return the measurements of all points that have any.

    There is a row for each measurement and a column for each axis. `status` and `draws` are those of the row's point.
    A point with an infeasible or unstable draw keeps the rows of its other draws: means over these would be of other
    clusters than those of other points. Incomplete points have no rows; `load_points` lists them.

    Points that other code computed are among them, with a warning; `outdated=False` leaves them out. `fig8@2` is the
    second sweep of `fig8` by itself.
    """
    return (all_results if outdated else load_results)(experiment, store).rows


class Measure(NamedTuple):
    """A metric, at one quantile or coordinate if it has several."""

    metric: str = "response_mean_s"
    at: float | None = None

    def __str__(self) -> str:
        return self.metric if self.at is None else f"{self.metric} at {self.at:g}"


class Results(NamedTuple):
    """The rows of all complete points, and the points as `load_points` returns them."""

    rows: pd.DataFrame
    points: pd.DataFrame


def declared(results: Results) -> Results:
    """Return the points that the experiment's own file declares, with their rows.

    Points of overrides on the command line are left out: they are not of the experiment's setting.
    """
    return _chosen(results, results.points["is_declared"])


def undeclared(results: Results) -> Results:
    """Return the points of overrides, with their rows."""
    return _chosen(results, ~results.points["is_declared"].astype(bool))


def _chosen(results: Results, is_chosen: "pd.Series[bool]") -> Results:
    points = results.points[is_chosen.astype(bool)].reset_index(drop=True)
    return Results(results.rows[results.rows["point"].isin(points["point"])].reset_index(drop=True), points)


def load_results(experiment: str, store: str | Path = FOLDER) -> Results:
    """Return the rows and the points of an experiment.

    Points that other code computed are left out.
    """
    opened = Store(Path(store))
    return results_of(opened, current_only(opened.experiment(experiment)))


def all_results(experiment: str, store: str | Path = FOLDER) -> Results:
    """Return the rows and all points of an experiment.

    Warns if other code computed some of them.
    """
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    warn_of_outdated(opened, experiment, sweep)
    return results_of(opened, sweep)


def results_of(store: Store, sweep: Mapping[str, Any]) -> Results:
    """Return the rows and the points of a sweep or a view."""
    parts = store.parts(points_of(sweep))
    sizes = sizes_of(sweep)
    by_point = outcomes(store, sizes, parts)
    measured = measurements(store, sizes, by_point, parts)
    points = _points_table(sweep, by_point)
    answered = measured.groupby("point")["draw"].nunique()
    is_ok = points["status"] == "ok"
    points["draws"] = points["point"].map(answered).where(is_ok, points["draws"]).fillna(points["draws"]).astype(int)
    rows = points[["point", *axes_of(points)]].merge(measured, on="point")
    by_name = points.drop_duplicates("point").set_index("point")
    return Results(rows.assign(**{name: rows["point"].map(by_name[name]) for name in OF_POINT}), points)


def measurements(store: Store, sizes: Sizes, by_point: Mapping[str, Outcome], parts: Parts) -> pd.DataFrame:
    """Return the rows of complete points, for the draws and replications of each."""
    complete = {point: parts[point] for point in by_point if by_point[point].is_complete}
    draws, replications = (max(size) for size in zip(*(sizes.values() or [(0, 0)]), strict=True))
    rows: pd.DataFrame = store.rows(complete, draws, replications)
    if len(set(sizes.values())) > 1:
        limits = np.array([sizes[point] for point in rows["point"]]).reshape(-1, 2)
        rows = rows[(rows["draw"] < limits[:, 0]) & (rows["replication"] < limits[:, 1])]
    return rows


def load_points(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """Return a row for each point.

    It has the point's axes, status, reason, seconds of work and size. The status is `ok`, `infeasible`, `unstable`,
    `skipped`, `failed` or `missing`. `is_declared` says whether the point is one of those that the experiment's own
    file declares, and `is_current` whether the present code computed it.
    """
    opened = Store(Path(store))
    return results_of(opened, opened.experiment(experiment)).points


def points_table(store: Store, sweep: Mapping[str, Any]) -> pd.DataFrame:
    """Return the points of a sweep with the columns of `load_points`."""
    return _points_table(sweep, outcomes(store, sizes_of(sweep), store.parts(points_of(sweep))))


def load_records(
    experiment: str, store: str | Path = FOLDER, outdated: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each point's committed parts.

    A record holds the configuration, code, provenance, duration and refusals. Points that other code computed are left
    out unless `outdated` is set.
    """
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    parts = opened.parts(points_of(sweep if outdated else current_only(sweep)))
    return {point: opened.records(point, parts[point]) for point in parts}


def load_provenance(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """Return the provenance of each part as a row (`Made`).

    A row says when, for how long, by which code and where the part was computed.
    `draws` and `replications` are ranges: `.explode("draws").explode("replications")` gives a row for each of them.
    """
    records = [record for of_point in load_records(experiment, store, True).values() for record in of_point]
    return pd.DataFrame([made(record) for record in records], columns=list(Made._fields))


class Made(NamedTuple):
    """Provenance of the rows of a part."""

    point: str
    draws: range
    replications: range
    started: str
    duration_s: float
    commit: str | None
    python: str
    machine: str
    processor: str


def made(record: Mapping[str, Any]) -> Made:
    """Return the provenance of the part that a record commits."""
    draws, replications = range(*record["part"][:2]), range(*record["part"][2:])
    source, machine = record["provenance"], record["provenance"]["machine"]
    leading = record["point"], draws, replications, record["started"], record["duration_s"]
    return Made(*leading, source["commit"], source["python"], machine["name"], machine["processor"])


def points_of(sweep: Mapping[str, Any]) -> list[str]:
    """Return the identities of a sweep's points, each once."""
    return list(dict.fromkeys(entry["point"] for entry in sweep["points"]))


def sizes_of(sweep: Mapping[str, Any]) -> Sizes:
    """Return the number of draws and replications of each point."""
    size = {name: sweep[name] for name in ("draws", "replications")}
    entries = [size | entry for entry in sweep["points"]]
    return {entry["point"]: (entry["draws"], entry["replications"]) for entry in entries}


def _points_table(sweep: Mapping[str, Any], by_point: Mapping[str, Outcome]) -> pd.DataFrame:
    axes, sizes = axes_table(sweep), sizes_of(sweep)
    columns = pd.DataFrame([by_point[point] for point in axes["point"]], columns=list(Outcome._fields))
    size = pd.DataFrame([sizes[point] for point in axes["point"]], columns=["draws", "replications"])
    declared = [entry.get("is_declared", not sweep["fixed"]) for entry in sweep["points"]]
    current = [entry.get("is_current", True) for entry in sweep["points"]]
    return pd.concat([axes, columns, size], axis=1).assign(is_declared=declared, is_current=current)


def axes_table(sweep: Mapping[str, Any]) -> pd.DataFrame:
    """Return the identity and the value of every axis of each point."""
    points = [{"point": entry["point"], **entry["axes"]} for entry in sweep["points"]]
    return with_numbers(pd.DataFrame(points, columns=["point", *sweep["axes"]]), sweep["axes"])


def with_numbers(table: pd.DataFrame, axes: Iterable[str]) -> pd.DataFrame:
    """Return the table with axes as numbers where all their values are numbers."""
    numbers = {axis: pd.to_numeric(table[axis], errors="coerce") for axis in axes}
    return table.assign(
        **{axis: column for axis, column in numbers.items() if column.notna().eq(table[axis].notna()).all()}
    )


def axes_of(points: pd.DataFrame) -> list[str]:
    """Return the axes in a table of points."""
    return [str(column) for column in points if column not in OF_POINTS]


def outcomes(store: Store, sizes: Sizes, parts: Parts) -> dict[str, Outcome]:
    """Return the outcome of each point, for the draws and replications of each."""
    return {point: outcome_of(store, point, parts[point], *sizes[point]) for point in parts}
