"""What in a store no sweep of today's code will use again: found, and removed if nobody is at work."""

import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import pandas as pd

from store.disk.files import ASIDE, TEMPORARY
from store.disk.identity import identity_of
from store.disk.locks import is_held
from store.disk.store import Store
from store.tables.reading import points_of
from store.tables.text import aligned
from system.checks import require

LEFT_BEHIND_S = 3600.0  # nobody takes so long to write a file
LONGEST_LIST = 40  # of points


class Prunable(NamedTuple):
    """A file that can go."""

    why: str
    point: str  # whose it is, if it is a point's
    name: str  # relative to the store
    size_mb: float


def prunable(store: Store) -> pd.DataFrame:
    """One row a file (`Prunable`) of points to which today's code gives another name, of killed writers, of commands
    that are remembered, and of what was set aside. Points of today's code stay, even those in no experiment.
    """
    paths = [
        *(("other code", path) for path in _files_of_other_code(store)),
        *(("left by a killed writer", path) for path in _left_behind(store)),
        *(("remembered command", path) for path in sorted((store.folder / "expansions").glob("[!.]*"))),
        *(("set aside", path) for path in sorted((store.folder / ASIDE).glob("*"))),
    ]
    return pd.DataFrame([_prunable(why, path, store.folder) for why, path in paths], columns=list(Prunable._fields))


def _prunable(why: str, path: Path, folder: Path) -> Prunable:
    point = _point_of(path) if why == "other code" else ""
    return Prunable(why, point, str(path.relative_to(folder)), path.stat().st_size / 1e6)


def _point_of(path: Path) -> str:
    return path.name.split(".", 1)[0]


def _files_of_other_code(store: Store) -> list[Path]:
    """The record of a part before its rows: rows that nothing commits are no harm, a record without its rows is."""
    files = [path for folder in ("points", "unfinished") for path in sorted((store.folder / folder).glob("[!.]*.json"))]
    outdated = {point for point, path in {_point_of(path): path for path in files}.items() if _is_outdated(store, path)}
    files += sorted((store.folder / "rows").glob("[!.]*.parquet"))
    return [path for path in files if _point_of(path) in outdated]


def _is_outdated(store: Store, path: Path) -> bool:
    """Whether today's code gives another name to the configuration of a record."""
    record = store.files.read_json(str(path.relative_to(store.folder)))
    if not record or "configuration" not in record:
        return False  # torn or foreign: whoever reads the point sets it aside
    return identity_of(record["configuration"]).point != record["point"]


def _left_behind(store: Store) -> Iterator[Path]:
    """Temporary files, and rows without the record that commits them, that are too old to be still written."""
    rows = (store.folder / "rows").glob("[!.]*.parquet")
    lonely = (path for path in rows if not (store.folder / "points" / path.with_suffix(".json").name).is_file())
    for path in sorted([*store.folder.rglob(f"{TEMPORARY}*"), *lonely]):
        if time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
            yield path


def remove(store: Store, files: pd.DataFrame) -> None:
    """Remove these files; while another process is at a point of the store nothing, and `InputError` is raised."""
    require(not is_held(store.folder), "store", store.folder, "a sweep is running on it; prune once it has ended")
    for name in files["name"]:
        store.files.remove(name)


def told_files(store: Store, files: pd.DataFrame) -> list[str]:
    """How many files of each kind there are, how large, the points of other code, and the experiments these are in."""
    if files.empty:
        return ["nothing to prune"]
    kinds = files.groupby("why", sort=False).agg(files=("name", "size"), size_mb=("size_mb", "sum")).reset_index()
    points = sorted(set(files["point"]) - {""})
    more = [f"and {len(points) - LONGEST_LIST} more"] if len(points) > LONGEST_LIST else []
    lines = [*aligned(kinds.round(3)), f"{len(files)} files, {files['size_mb'].sum():.3g} MB"]
    lines += (
        wrap(f"points of other code ({len(points)}): " + " ".join([*points[:LONGEST_LIST], *more]), 110)
        if points
        else []
    )
    for name in store.experiment_names():
        swept = points_of(store.experiment(name))
        if lost := len(set(swept) & set(points)):
            lines.append(
                f"{name}: {lost} of its {len(swept)} points are of other code; its next sweep computes them anew"
            )
    return lines
