"""Pruning: files that no sweep with the current code will use are listed, and deleted if no sweep is running."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import pandas as pd

from store.disk.files import ASIDE, TEMPORARY, is_left_behind
from store.disk.identity import identity_of
from store.disk.store import Store
from store.tables.reading import points_of
from store.tables.text import aligned
from store.workers.locks import is_held
from system.checks import require
from system.words import counted

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
    other_code = list(_files_of_other_code(store))  # first, as reading sets damaged files aside
    paths = [
        *(("other code", name) for name in other_code),
        *(("left by a killed writer", name) for name in _left_behind(store)),
        *(("remembered command", name) for name in store.files.names("expansions")),
        *(("set aside", name) for name in store.files.names(ASIDE)),
    ]
    return pd.DataFrame([_prunable(why, name, store.folder) for why, name in paths], columns=list(Prunable._fields))


def _prunable(why: str, name: str, folder: Path) -> Prunable:
    point = _point_of(name) if why == "other code" else ""
    files = [folder / name, *(folder / name).rglob("*")]  # a folder may have been set aside
    return Prunable(why, point, name, sum(map(_size_b, files)) / 1e6)


def _size_b(path: Path) -> int:
    """Return the size of a file; 0 for a folder."""
    try:
        return 0 if path.is_dir() else path.lstat().st_size
    except FileNotFoundError:
        return 0


def _point_of(name: str) -> str:
    return Path(name).name.split(".", 1)[0]


def _files_of_other_code(store: Store) -> Iterator[str]:
    """Yield the files of outdated points, records before rows.

    If deletion stops midway, rows without a record are harmless, but a record without rows is not.
    """
    points = store.points()
    parts = store.parts(points)
    records = {point: [*store.records(point, parts[point][:1]), store.unfinished(point)] for point in points}
    outdated = {point for point in points if any(map(_is_outdated, filter(None, records[point])))}
    files = [name for folder in ("points", "unfinished", "rows") for name in store.files.names(folder)]
    yield from (name for name in files if _point_of(name) in outdated)


def _is_outdated(record: Mapping[str, Any]) -> bool:
    """Return whether the current code gives a record's configuration another identity."""
    return identity_of(record["configuration"]).point != record["point"]


def _left_behind(store: Store) -> Iterator[str]:
    """Yield temporary files and uncommitted rows whose writer has ended."""
    for path in sorted(store.folder.rglob(f"{TEMPORARY}*")):
        if is_left_behind(path):
            yield str(path.relative_to(store.folder))
    for name in store.files.names("rows", ".parquet"):
        record = store.folder / "points" / f"{Path(name).stem}.json"
        if not record.exists() and not is_held(store.folder, _point_of(name)):
            yield name


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
