"""Pruning: files that no sweep with the current code will use are listed, and deleted if no sweep is running."""

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
from system.words import counted

LEFT_BEHIND_S = 3600.0  # writing a file never takes this long
LONGEST_LIST = 40  # points in one list


class Prunable(NamedTuple):
    """A file that can be deleted."""

    why: str
    point: str  # the point it belongs to, if it was made by other code
    name: str  # relative to the store
    size_mb: float


def prunable(store: Store) -> pd.DataFrame:
    """Return a row (`Prunable`) for each file that can be deleted.

    These are files of points whose configuration has another identity under the current code, files left by killed
    writers, remembered commands, and files that were set aside. Points of the current code stay, even those that belong
    to no experiment.
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
    """Return the files of outdated points, records before rows.

    If deletion stops midway, rows without a record are harmless, but a record without rows is not.
    """
    files = [path for folder in ("points", "unfinished") for path in sorted((store.folder / folder).glob("[!.]*.json"))]
    outdated = {point for point, path in {_point_of(path): path for path in files}.items() if _is_outdated(store, path)}
    files += sorted((store.folder / "rows").glob("[!.]*.parquet"))
    return [path for path in files if _point_of(path) in outdated]


def _is_outdated(store: Store, path: Path) -> bool:
    """Return whether the current code gives a record's configuration another identity."""
    record = store.files.read_json(str(path.relative_to(store.folder)))
    if not record or "configuration" not in record:
        return False  # torn or foreign: it is set aside when the point is read
    return identity_of(record["configuration"]).point != record["point"]


def _left_behind(store: Store) -> Iterator[Path]:
    """Yield temporary files and uncommitted rows that are too old to be in use."""
    rows = (store.folder / "rows").glob("[!.]*.parquet")
    uncommitted = (path for path in rows if not (store.folder / "points" / path.with_suffix(".json").name).is_file())
    for path in sorted([*store.folder.rglob(f"{TEMPORARY}*"), *uncommitted]):
        if time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
            yield path


def remove(store: Store, files: pd.DataFrame) -> None:
    """Delete these files.

    Raises `InputError`, and deletes nothing, while another process computes a point of the store.
    """
    require(not is_held(store.folder), "store", store.folder, "a sweep is using it; prune after it has ended")
    for name in files["name"]:
        store.files.remove(name)


def file_lines(store: Store, files: pd.DataFrame) -> list[str]:
    """Return lines about prunable files.

    They give the number and size of the files of each kind, the points of other code, and the experiments that contain
    such points.
    """
    if files.empty:
        return ["nothing to prune"]
    kinds = files.groupby("why", sort=False).agg(files=("name", "size"), size_mb=("size_mb", "sum")).reset_index()
    points = sorted(set(files["point"]) - {""})
    more = [f"and {len(points) - LONGEST_LIST} more"] if len(points) > LONGEST_LIST else []
    lines = [*aligned(kinds.round(3)), f"{counted(len(files), 'file')}, {files['size_mb'].sum():.3g} MB"]
    if points:
        lines += wrap(f"points of other code ({len(points)}): " + " ".join([*points[:LONGEST_LIST], *more]), 110)
    for name in store.experiment_names():
        swept = points_of(store.experiment(name))
        if lost := len(set(swept) & set(points)):
            share = f"{lost} of its {counted(len(swept), 'point')}"
            lines.append(f"{name}: other code computed {share}; its next sweep recomputes them")
    return lines
