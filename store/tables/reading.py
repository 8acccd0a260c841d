"""An experiment's results as tidy tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from store.disk.outcome import Outcome, outcome_of
from store.disk.store import Parts, Store

FOLDER = "outputs/store"


def load(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """One row a measurement of the points that are `ok`, with every axis of the experiment as a column.

    The points are those of the last sweep, with the draws and replications that it asked for. A point of which a draw
    is missing, infeasible or unstable is left out, as its means would rest on other clusters than those beside it;
    `load_points` names it.
    """
    rows, points = load_results(experiment, store)
    return rows[rows["point"].isin(points.loc[points["status"] == "ok", "point"])].reset_index(drop=True)


class Results(NamedTuple):
    """The rows of all draws that have any, and the points as `load_points` has them."""

    rows: pd.DataFrame
    points: pd.DataFrame


def load_results(experiment: str, store: str | Path = FOLDER) -> Results:
    """Both tables of an experiment, its records read once."""
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    parts = opened.parts(points_of(sweep))
    found = outcomes(opened, sweep, parts)
    complete = {point: parts[point] for point in found if found[point].is_complete}
    rows = axes_table(sweep).merge(opened.rows(complete, sweep["draws"], sweep["replications"]), on="point")
    return Results(rows, _points_table(sweep, found))


def load_points(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """One row a point: its axes, status, reason and seconds of work.

    The status is `ok`, `infeasible`, `unstable`, `skipped`, `failed` or `missing`.
    """
    opened = Store(Path(store))
    return points_table(opened, opened.experiment(experiment))


def points_table(store: Store, sweep: dict[str, Any]) -> pd.DataFrame:
    """As `load_points`, of any sweep."""
    return _points_table(sweep, outcomes(store, sweep, store.parts(points_of(sweep))))


def load_records(experiment: str, store: str | Path = FOLDER) -> dict[str, list[dict[str, Any]]]:
    """By point the records of its committed parts: configuration, code, provenance, duration, refusals."""
    opened = Store(Path(store))
    parts = opened.parts(points_of(opened.experiment(experiment)))
    return {point: opened.records(point, parts[point]) for point in parts}


def load_provenance(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """One row a part, by whom and when it was computed, how long it took and on what.

    `draws` and `replications` are ranges: `.explode("draws").explode("replications")` makes a row of each.
    """
    records = [record for found in load_records(experiment, store).values() for record in found]
    return pd.DataFrame([made(record) for record in records], columns=list(Made._fields))


class Made(NamedTuple):
    """Where the rows of a part come from."""

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
    """What a record says of this."""
    draws, replications = range(*record["part"][:2]), range(*record["part"][2:])
    source, machine = record["provenance"], record["provenance"]["machine"]
    begun = record["point"], draws, replications, record["started"], record["duration_s"]
    return Made(*begun, source["commit"], source["python"], machine["name"], machine["processor"])


def points_of(sweep: dict[str, Any]) -> list[str]:
    """The identities of a sweep's points, each once."""
    return list(dict.fromkeys(entry["point"] for entry in sweep["points"]))


def _points_table(sweep: dict[str, Any], found: Mapping[str, Outcome]) -> pd.DataFrame:
    axes = axes_table(sweep)
    columns = pd.DataFrame([found[point] for point in axes["point"]], columns=list(Outcome._fields))
    return pd.concat([axes, columns], axis=1)


def axes_table(sweep: dict[str, Any]) -> pd.DataFrame:
    """One row a point of a sweep: its identity and the value of every axis."""
    points = [{"point": entry["point"], **entry["axes"]} for entry in sweep["points"]]
    return pd.DataFrame(points, columns=["point", *sweep["axes"]])


def outcomes(store: Store, sweep: Mapping[str, Any], parts: Parts) -> dict[str, Outcome]:
    """What became of each point of a sweep, as far as the draws and replications that it asked for."""
    return {point: outcome_of(store, point, parts[point], sweep["draws"], sweep["replications"]) for point in parts}
