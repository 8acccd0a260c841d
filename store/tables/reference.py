"""Reference rows: an experiment's means as a small table that can be read in a diff.

Curves, metrics at more than 40 places, are left out; the figures show them. So are, but for replays of traces, times of
tokens and the percentiles of the parts of a response. Numbers have six significant digits.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from store.commands.card import LONGEST_LIST
from store.disk.outcome import Outcome
from store.disk.store import Store, words_of
from store.tables.reading import load_records, load_results
from store.tables.statistics import intervals_over_draws

DIGITS = 6
LEFT_OUT = ("first_token", "output_token", "waiting_quantile", "service_quantile", "over_length_share", "load")
PROVENANCE = "provenance.yaml"


def reference_rows(rows: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """One row a point, metric and place: the axes, metric, at, mean, half_width, draws, status; in a fixed order.

    A mean is over all draws of the point. Where a draw lacks the metric there is only the number of draws that have it;
    a point that lacks a draw altogether is one row with its status.
    """
    axes = [str(column) for column in points if column not in ("point", *Outcome._fields)]
    whole = points[points["status"] == "ok"].merge(_means(rows), on="point")
    refused = points[points["status"] != "ok"]
    answered = rows.groupby("point")["draw"].nunique().to_dict()
    refused = refused.assign(draws=[answered.get(point, 0) for point in refused["point"]])
    table = pd.concat([whole, refused]).reindex(
        columns=[*axes, "metric", "at", "mean", "half_width", "draws", "status"]
    )
    return table.sort_values([*axes, "metric", "at"], key=_in_order, ignore_index=True)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a mean for each point, metric and place that are wanted, nan where a draw of the point lacks it."""
    if rows.empty:  # groups of nothing have no type to compare
        return pd.DataFrame(columns=["point", "metric", "at", "mean", "half_width", "draws"])
    places = rows.groupby(["point", "metric"])["at"].transform("nunique")
    is_replay = "workload.over_length" in rows  # these experiments ask how over-long requests of a trace are treated
    wanted = (places <= LONGEST_LIST) & (is_replay | ~rows["metric"].str.startswith(LEFT_OUT))
    means = intervals_over_draws(rows[wanted], ["point", "metric", "at"])
    answered = rows.groupby("point")["draw"].nunique()
    means.loc[means["draws"] < means["point"].map(answered), ["mean", "half_width"]] = np.nan
    return means


def _in_order(column: pd.Series) -> pd.Series:
    """Numbers by their size, also where they are text."""
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().any() else numbers


def write_reference(store: Path, experiments: Iterable[str], folder: Path) -> list[Path]:
    """Write `<experiment>.csv` of experiments in the store, and beside them how they were made; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROVENANCE
    made: dict[str, Any] = yaml.safe_load(path.read_text()) if path.is_file() else {}
    platforms: dict[str, Any] = {}  # each once, so that the file says it once
    names = sorted(set(experiments) & set(Store(store).experiment_names()))
    for name in names:
        table = reference_rows(*load_results(name, store))
        table.to_csv(folder / f"{name}.csv", index=False, float_format=f"%.{DIGITS}g")
        made[name] = how_made(store, name)
    for entry in made.values():
        entry["platforms"] = [platforms.setdefault(json.dumps(each), each) for each in entry["platforms"]]
    path.write_text(yaml.safe_dump(made))
    return [*(folder / f"{name}.csv" for name in names), path]


def how_made(store: Path, experiment: str) -> dict[str, Any]:
    """The command that makes an experiment's rows again, and on what they were made."""
    sweep = Store(store).experiment(experiment)
    records = [record for found in load_records(experiment, store).values() for record in found]
    sources = [record["provenance"] for record in records]
    size = [f"draws={sweep['draws']}", f"replications={sweep['replications']}"]
    return {
        "command": " ".join(["python run.py -m", words_of(experiment), *size, *sweep["fixed"]]),
        "seeds": sorted({record["configuration"]["seed"] for record in records}),
        "commits": sorted({str(source["commit"]) for source in sources}),
        "platforms": [json.loads(text) for text in sorted({json.dumps(platform_of(source)) for source in sources})],
    }


def platform_of(source: dict[str, Any]) -> dict[str, Any]:
    """Of the provenance of a record, what can move the last digits of a number beside this project's own code."""
    packages = {name: version for name, version in source["packages"].items() if name != "server-chains"}
    return {"python": source["python"], "packages": packages, "processor": source["machine"]["processor"]}
