"""An experiment's results as a tidy table."""

from pathlib import Path
from typing import Any

import pandas as pd

from store.store import Store


def load(experiment: str, store: str | Path = "outputs/store") -> pd.DataFrame:
    """One row a measurement: draw, replication, metric, at, value, and every axis of the experiment as a column.

    Only draws and replications that the last sweep asked for are there, whatever else is stored of the same points.
    """
    opened = Store(Path(store))
    sweep = opened.experiment(experiment)
    axes = axes_table(sweep)
    rows = opened.rows(axes["point"].unique())
    rows = rows[(rows["draw"] < sweep["draws"]) & (rows["replication"] < sweep["replications"])]
    return axes.merge(rows, on="point")


def axes_table(sweep: dict[str, Any]) -> pd.DataFrame:
    """One row a point of a sweep: its identity and the value of every axis."""
    points = [{"point": entry["point"], **entry["axes"]} for entry in sweep["points"]]
    return pd.DataFrame(points, columns=["point", *sweep["axes"]])


def load_points(experiment: str, store: str | Path = "outputs/store") -> pd.DataFrame:
    """One row a point: its axes, status, reason and seconds of work.

    The status is `ok`, `infeasible`, `unstable`, `skipped`, `failed` or `missing`.
    """
    opened = Store(Path(store))
    axes = axes_table(opened.experiment(experiment))
    outcomes = [_outcome(opened.records(point)) for point in axes["point"]]
    return pd.concat([axes, pd.DataFrame(outcomes, columns=["status", "reason", "duration_s"])], axis=1)


def _outcome(records: list[dict[str, Any]]) -> dict[str, Any]:
    if not records:
        return {"status": "missing", "reason": "not computed yet", "duration_s": 0.0}
    worst = next((record for record in records if record["status"] != "ok"), records[0])
    duration_s = sum(record["duration_s"] for record in records)
    return {"status": worst["status"], "reason": worst["reason"], "duration_s": duration_s}
