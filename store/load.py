"""An experiment's results as tidy tables."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from store.outcome import Outcome, outcome
from store.store import Parts, Store

FOLDER = "outputs/store"


def load(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """One row a measurement: draw, replication, metric, at, value, and every axis of the experiment as a column.

    The points are those of the last sweep, with the draws and replications that it asked for. A point that lacks some
    of these is left out, as its means would rest on other clusters than those beside it; `load_points` names it.
    """
    return load_results(experiment, store).rows


class Results(NamedTuple):
    """An experiment's tables, as `load` and `load_points` have them."""

    rows: pd.DataFrame
    points: pd.DataFrame


def load_results(experiment: str, store: str | Path = FOLDER) -> Results:
    """Both tables of an experiment, its records read once."""
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    parts = opened.parts(points_of(sweep))
    outcomes = _outcomes(opened, sweep, parts)
    complete = {point: parts[point] for point, found in outcomes.items() if found.is_complete}
    rows = axes_table(sweep).merge(opened.rows(complete, sweep["draws"], sweep["replications"]), on="point")
    return Results(rows, _points_table(sweep, outcomes))


def load_points(experiment: str, store: str | Path = FOLDER) -> pd.DataFrame:
    """One row a point: its axes, status, reason and seconds of work.

    The status is `ok`, `infeasible`, `unstable`, `skipped`, `failed` or `missing`.
    """
    opened = Store(Path(store))
    return points_table(opened, opened.experiment(experiment))


def points_table(store: Store, sweep: dict[str, Any]) -> pd.DataFrame:
    """As `load_points`, of any sweep."""
    return _points_table(sweep, _outcomes(store, sweep, store.parts(points_of(sweep))))


def load_records(experiment: str, store: str | Path = FOLDER) -> dict[str, list[dict[str, Any]]]:
    """By point the records of its committed parts: configuration, code, provenance, duration, refusals."""
    opened = Store(Path(store))
    parts = opened.parts(points_of(opened.experiment(experiment)))
    return {point: opened.records(point, parts[point]) for point in parts}


def points_of(sweep: dict[str, Any]) -> list[str]:
    """The identities of a sweep's points, each once."""
    return list(dict.fromkeys(entry["point"] for entry in sweep["points"]))


def _points_table(sweep: dict[str, Any], outcomes: dict[str, Outcome]) -> pd.DataFrame:
    axes = axes_table(sweep)
    found = pd.DataFrame([outcomes[point] for point in axes["point"]], columns=list(Outcome._fields))
    return pd.concat([axes, found], axis=1)


def axes_table(sweep: dict[str, Any]) -> pd.DataFrame:
    """One row a point of a sweep: its identity and the value of every axis."""
    points = [{"point": entry["point"], **entry["axes"]} for entry in sweep["points"]]
    return pd.DataFrame(points, columns=["point", *sweep["axes"]])


def _outcomes(store: Store, sweep: dict[str, Any], parts: Parts) -> dict[str, Outcome]:
    return {point: outcome(store, point, parts[point], sweep["draws"], sweep["replications"]) for point in parts}
