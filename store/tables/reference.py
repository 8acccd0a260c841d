"""Reference rows: an experiment's means as a small table that can be read in a diff.

Curves, which are metrics with more than 40 coordinates, are left out, as figures show them. Times of tokens and
percentiles of the parts of a response are left out too, except for replays of traces. Numbers have six significant
digits.
"""

import json
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from store.disk.store import Store, data_label, words_of
from store.tables.currency import current_only
from store.tables.reading import (
    MEASURED,
    OWN,
    Results,
    axes_of,
    declared,
    points_of,
    results_of,
    undeclared,
)
from store.tables.statistics import MOST_COORDINATES, intervals_over_draws
from system.checks import require
from system.documents.yaml_files import read_yaml

DIGITS = 6
LEFT_OUT = ("first_token", "output_token", "waiting_quantile", "service_quantile", "over_length_share", "load")
ABOUT_RUNS = ("warm_up_jobs", "response_drift", "run_relaxations")  # left out everywhere: they are no results
PROVENANCE = "provenance.yaml"
Sweep = Mapping[str, Any]  # the record of a sweep
AND = " && "  # between the commands of several sweeps


def reference_rows(rows: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each point, metric and coordinate, in a fixed order.

    The columns are the axes, metric, at, mean, half_width, draws and status. A mean is over all draws of the point. If
    a draw lacks the metric, there is no mean but only the number of draws that have it. A point that lacks a whole draw
    is one row with its status.
    """
    axes = axes_of(points)
    points = points[["point", *axes, "status"]]
    whole = points[points["status"] == "ok"].merge(_means(rows), on="point")
    refused = points[points["status"] != "ok"]
    answered = rows.groupby("point")["draw"].nunique().to_dict()
    refused = refused.assign(draws=[answered.get(point, 0) for point in refused["point"]])
    table = pd.concat([whole, refused]).reindex(
        columns=[*axes, "metric", "at", "mean", "half_width", "draws", "status"]
    )
    return table.sort_values([*axes, "metric", "at"], key=_in_order, ignore_index=True)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the wanted means; nan if a draw of the point lacks the metric."""
    coordinates = rows.groupby(["point", "metric"])["at"].transform("nunique")
    is_replay = "workload.over_length" in rows  # only these experiments have this axis
    wanted = (coordinates <= MOST_COORDINATES) & (is_replay | ~rows["metric"].str.startswith(LEFT_OUT))
    wanted &= ~rows["metric"].isin(ABOUT_RUNS)
    if not wanted.any():  # groups of an empty table have no type to compare
        return pd.DataFrame(columns=["point", "metric", "at", "mean", "half_width", "draws"])
    means = intervals_over_draws(rows.loc[wanted, ["point", *MEASURED]], ["point", "metric", "at"])
    answered = rows.groupby("point")["draw"].nunique()
    means.loc[means["draws"] < means["point"].map(answered), ["mean", "half_width"]] = np.nan
    return means


def _in_order(column: pd.Series) -> pd.Series:
    """Return a sort key that orders numbers by size, even if they are text."""
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().any() else numbers


def reference_parts(store: Path, experiment: str) -> dict[str, Results]:
    """Return the results of an experiment by the name of their reference rows.

    Points that the experiment's own file declares have its name; others have a name that ends in `_own`. If no file
    declares several points, all have the name of the experiment.
    """
    opened = Store(store)
    sweep = opened.experiment(experiment)
    results = results_of(opened, current_only(sweep))
    if sweep["declared_count"] <= 1 and not results.points["is_declared"].any():
        return {experiment: results}
    axes = _declared_axes(opened.sweeps(experiment))
    further = [axis for axis in axes_of(results.points) if axes and axis not in axes]
    own_file = Results(*(table.drop(columns=further) for table in declared(results)))
    parts = {experiment: own_file, f"{experiment}{OWN}": undeclared(results)}
    return {name: part for name, part in parts.items() if len(part.points)}


def _declared_axes(sweeps: Iterable[Sweep]) -> set[str]:
    """Return the axes of sweeps without overrides."""
    return {axis for sweep in sweeps if _is_plain(sweep) for axis in sweep["axes"]}


def _is_plain(sweep: Sweep) -> bool:
    """Return whether the experiment's own file declares all points of a sweep."""
    return all(entry.get("is_declared", not sweep["fixed"]) for entry in sweep["points"])


def write_reference(store: Path, experiments: Iterable[str], folder: Path) -> list[Path]:
    """Write reference rows and their provenance; return the files.

    Each part of an experiment in the store has its file `<name>.csv`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROVENANCE
    made = provenance_in(folder) if path.is_file() else {}
    platforms: dict[str, Any] = {}  # each platform once, so that YAML writes it once
    written = []
    for experiment in sorted(set(experiments) & set(Store(store).experiment_names())):
        for name, results in reference_parts(store, experiment).items():
            written.append(folder / f"{name}.csv")
            reference_rows(*results).to_csv(written[-1], index=False, float_format=f"%.{DIGITS}g")
            made[name] = how_made(store, experiment, results.points)
    for entry in made.values():
        entry["platforms"] = [platforms.setdefault(json.dumps(platform), platform) for platform in entry["platforms"]]
    path.write_text(yaml.safe_dump(made))
    return [*written, path]


def provenance_in(folder: Path) -> dict[str, Any]:
    """Return how the reference rows in a folder were made, by their name."""
    path = folder / PROVENANCE
    made = read_yaml(path)
    remedy = (
        "must be a mapping of names to how their rows were made, with platforms; write it again with plot.py --rows"
    )
    require(isinstance(made, dict) and all(map(_has_platforms, made.values())), "provenance", path, remedy)
    return made


def _has_platforms(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("platforms"), list)


def how_made(store: Path, experiment: str, points: pd.DataFrame) -> dict[str, Any]:
    """Return the commands, seeds, commits and platforms of some points.

    Embedded data has its label. Declared points of a sweep with overrides have the command without these.
    """
    opened = Store(store)
    parts = opened.parts(points["point"].unique())
    records = [record for point in parts for record in opened.records(point, parts[point])]
    sources = [record["provenance"] for record in records]
    sweeps = _sweeps_of(opened.sweeps(experiment), set(points["point"]))
    if points["is_declared"].all():
        sweeps = [sweep if _is_plain(sweep) else {**sweep, "words": words_of(experiment).split()} for sweep in sweeps]
    label = data_label(experiment)
    return {
        **({"data": label[0]} if label else {}),
        "command": AND.join(dict.fromkeys(command_of(experiment, sweep) for sweep in sweeps)),
        "seeds": sorted({record["configuration"]["seed"] for record in records}),
        "commits": sorted({str(source["commit"]) for source in sources}),
        "platforms": [json.loads(text) for text in sorted({json.dumps(platform_of(source)) for source in sources})],
    }


def _sweeps_of(sweeps: Sequence[Sweep], points: Collection[str]) -> Sequence[Sweep]:
    """Return the smallest sweep with all points, or else all sweeps with any."""
    sizes = [len(set(points_of(sweep)) & set(points)) for sweep in sweeps]
    whole = [sweep for sweep, size in zip(sweeps, sizes, strict=True) if size == len(points)]
    partial = [sweep for sweep, size in zip(sweeps, sizes, strict=True) if size]
    return [min(whole, key=lambda sweep: len(sweep["points"]))] if whole else partial


def command_of(experiment: str, sweep: Mapping[str, Any]) -> str:
    """Return the command that makes a sweep's points again."""
    words = sweep.get("words") or [*words_of(experiment).split(), *sweep["fixed"]]  # older records have no words
    size = [f"draws={sweep['draws']}", f"replications={sweep['replications']}"]
    return shlex.join(["python", "run.py", "-m", *words, *size])


def platform_of(source: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a provenance that can change the last digits of numbers.

    This project's own code can change them as well and is not part of it.
    """
    packages = {name: version for name, version in source["packages"].items() if name != "server-chains"}
    return {"python": source["python"], "packages": packages, "processor": source["machine"]["processor"]}
