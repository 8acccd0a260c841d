"""Results of an experiment as tidy tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from store.disk.outcome import Outcome, outcome_of
from store.disk.store import Parts, Store

FOLDER = "outputs/store"


def load(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """Return the measurements of all points that are `ok`.

    There is a row for each measurement and a column for each axis. The points, draws and replications are those of the
    last sweep. A point with a draw that is missing, infeasible or unstable is left out, as its means would be over
    other clusters than those of other points; `load_points` lists it.
    """
    rows, points = load_results(experiment, store)
    return rows[rows["point"].isin(points.loc[points["status"] == "ok", "point"])].reset_index(drop=True)


class Results(NamedTuple):
    """The rows of all draws that have any, and the points as `load_points` returns them."""

    rows: pd.DataFrame
    points: pd.DataFrame


def load_results(experiment: str, store: str | Path = FOLDER) -> Results:
    """Return the rows and the points of an experiment, reading its records once."""
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    parts = opened.parts(points_of(sweep))
    by_point = outcomes(opened, sweep, parts)
    complete = {point: parts[point] for point in by_point if by_point[point].is_complete}
    rows = axes_table(sweep).merge(opened.rows(complete, sweep["draws"], sweep["replications"]), on="point")
    return Results(rows, _points_table(sweep, by_point))


def load_points(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """Return a row for each point: its axes, status, reason and seconds of work.

    The status is `ok`, `infeasible`, `unstable`, `skipped`, `failed` or `missing`.
    """
    opened = Store(Path(store))
    return points_table(opened, opened.experiment(experiment))


def points_table(store: Store, sweep: dict[str, Any]) -> pd.DataFrame:
    """Return the same table as `load_points`, for any sweep."""
    return _points_table(sweep, outcomes(store, sweep, store.parts(points_of(sweep))))


def load_records(experiment: str, store: str | Path = FOLDER) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each point's committed parts.

    A record holds the configuration, code, provenance, duration and refusals.
    """
    opened = Store(Path(store))
    parts = opened.parts(points_of(opened.experiment(experiment)))
    return {point: opened.records(point, parts[point]) for point in parts}


def load_provenance(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """Return the provenance of each part as a row (`Made`).

    A row says when, for how long, by which code and where the part was computed.
    `draws` and `replications` are ranges: `.explode("draws").explode("replications")` gives a row for each of them.
    """
    records = [record for of_point in load_records(experiment, store).values() for record in of_point]
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


def points_of(sweep: dict[str, Any]) -> list[str]:
    """Return the identities of a sweep's points, each once."""
    return list(dict.fromkeys(entry["point"] for entry in sweep["points"]))


def _points_table(sweep: dict[str, Any], by_point: Mapping[str, Outcome]) -> pd.DataFrame:
    axes = axes_table(sweep)
    columns = pd.DataFrame([by_point[point] for point in axes["point"]], columns=list(Outcome._fields))
    return pd.concat([axes, columns], axis=1)


def axes_table(sweep: dict[str, Any]) -> pd.DataFrame:
    """Return the identity and the value of every axis of each point."""
    points = [{"point": entry["point"], **entry["axes"]} for entry in sweep["points"]]
    return pd.DataFrame(points, columns=["point", *sweep["axes"]])


def outcomes(store: Store, sweep: Mapping[str, Any], parts: Parts) -> dict[str, Outcome]:
    """Return the outcome of each point, for the draws and replications of a sweep."""
    return {point: outcome_of(store, point, parts[point], sweep["draws"], sweep["replications"]) for point in parts}
