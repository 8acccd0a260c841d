"""The store: a folder with the results of points.

Every file is written under a temporary name, flushed to disk and renamed, so it is either whole or absent.

store.json                          version of this format
rows/<point>.d0-20.r0-1.parquet     metrics of draws 0..19, replication 0: the same bytes on any number of workers
points/<point>.d0-20.r0-1.json      configuration, code, provenance, checksum of the rows; commits them, as it is last
unfinished/<point>.json             why a point has no result (failed, skipped); the next sweep tries again
experiments/<name>/<started>-<hash>.json   a sweep of an experiment: command, axes, points, labels of the axes' values
expansions/<hash>.json              points of a command with their configurations, for when it is repeated
locks                               locks of the processes that compute a point at the moment
aside/                              files that were torn or foreign
hydra/<started>/                    work that a running sweep shares among its workers; logs of its launcher
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from store.disk import shapes
from store.disk.files import DamageError, Files, sha256_of
from store.disk.parts import Part, Parts
from store.disk.rows import SCHEMA, decoded, encoded, fault_of
from store.disk.shapes import Shape
from store.disk.sweeps import FOLDER as EXPERIMENTS
from store.disk.sweeps import add_sweep, read_sweeps, sweep_names, view_of
from store.disk.upgrade import move_sweeps
from system import InputError
from system.checks import require, require_name, require_path

FORMAT = 3
UPGRADABLE = 2
LIKENESS = 0.75  # from this likeness on a stored experiment is suggested for an unknown one
EMBEDDED = "_embedded"  # ends the name of an experiment that was swept with data=embedded (conf/data/embedded.yaml)
EMBEDDED_DATA = "embedded data: generated networks and workloads, no recorded ones"
ONLY = "@"  # fig8@2 names the second sweep of fig8
_PART = re.compile(r"points/(?P<point>[0-9a-f]{1,16})\.d(\d{1,7})-(\d{1,7})\.r(\d{1,7})-(\d{1,7})\.json")


@dataclass(frozen=True)
class Store:
    """Points and rows below `folder`.

    A store of format 2 is upgraded when it is opened. Raises `InputError` for other formats than that of this project.
    """

    folder: Path

    def __post_init__(self) -> None:
        require_path(store=self.folder)
        stated = self._format
        if stated == UPGRADABLE:
            move_sweeps(self.files)
            self.files.write_json("store.json", {"format": FORMAT})
            stated = FORMAT
        if stated != FORMAT:
            age, remedy = ("newer", "update the project") if stated > FORMAT else ("older", "remove the folder")
            raise InputError(
                f"store = {self.folder}: written by {age} code (its format is {stated}, this code reads {FORMAT}); "
                f"{remedy} or set store=..."
            )

    @cached_property
    def files(self) -> Files:
        """Return the files of the store."""
        return Files(self.folder)

    @property
    def _format(self) -> int:
        """Return the format of the store; without a sound statement, that of its records."""
        stated = self.files.read_json("store.json", shapes.FORMAT)
        return int(stated["format"]) if stated else self._evident_format()

    def _evident_format(self) -> int:
        """Return the format that the records have."""
        if not self._has_record(shapes.RECORD) and self._has_record(shapes.older_record):
            return 1
        return UPGRADABLE if self.files.names(EXPERIMENTS, ".json") else FORMAT

    def _has_record(self, shape: Shape) -> bool:
        """Return whether any record of a part has this shape."""
        for name in self.files.names("points", ".json"):
            with suppress(DamageError):
                if self.files.content(name, shape) is not None:
                    return True
        return False

    def finished_files(self) -> set[tuple[str, int]]:
        """Return names and times (ns) of the records of finished points.

        Points that failed or were skipped are among them.
        """
        folders = [self.folder / name for name in ("points", "unfinished")]
        entries = [entry for folder in folders if folder.is_dir() for entry in os.scandir(folder)]
        records = [entry for entry in entries if entry.name.endswith(".json") and not entry.name.startswith(".")]
        return {(entry.name, _modified_ns(entry)) for entry in records}

    def points(self) -> list[str]:
        """Return every point with a part or a note."""
        return sorted({name.split(".", 1)[0] for name, _ in self.finished_files()})

    def parts(self, points: Iterable[str]) -> dict[str, list[Part]]:
        """Return the parts of these points that are there (`committed`)."""
        parts: dict[str, list[Part]] = {point: [] for point in points}
        for name in self.files.names("points"):
            match = _PART.fullmatch(name)
            if match is None:
                self.files.set_aside(name, why="its name is not that of a part, so this project did not write it")
            elif match["point"] in parts:
                first_draw, last_draw, first, last = map(int, match.groups()[1:])
                part = Part(range(first_draw, last_draw), range(first, last))
                if self.has(match["point"], part):
                    parts[match["point"]].append(part)
        return parts

    def has(self, point: str, part: Part) -> bool:
        """Return whether exactly this part is there.

        This is the one definition for all that read, resume and prune. A part's record and rows can be read, have the
        right shape and belong together. Damaged files are set aside.
        """
        record, name = self._record(point, part), f"rows/{point}.{part}.parquet"
        if record is None:
            return False
        try:
            fault = fault_of(self.files.read(name), record["rows_sha256"])
        except DamageError as damage:
            fault = str(damage)
        if fault:
            damaged = [name] if os.path.lexists(self.folder / name) else []
            self.files.set_aside(*damaged, f"points/{point}.{part}.json", why=fault)
        return not fault

    def _record(self, point: str, part: Part) -> dict[str, Any] | None:
        """Return the record of a part, if it is sound."""
        name = f"points/{point}.{part}.json"
        record: dict[str, Any] | None = self.files.read_json(name, shapes.RECORD)
        if record is None or (record["point"], record["part"]) == (point, part.bounds):
            return record
        self.files.set_aside(name, why="it is the record of another part")
        return None

    def commit(self, point: str, part: Part, rows: Iterable[Sequence[Any]], record: Mapping[str, Any]) -> None:
        """Add a part: first its rows, then the record that commits them.

        A row is (draw, replication, metric, at, value).
        """
        name, content = f"{point}.{part}", encoded(point, rows)
        self.files.write(f"rows/{name}.parquet", content)
        self._write_record(
            f"points/{name}.json", {"point": point, "part": part.bounds, "rows_sha256": sha256_of(content), **record}
        )
        self.files.remove(f"unfinished/{point}.json")

    def leave_unfinished(self, point: str, record: Mapping[str, Any]) -> None:
        """Note why a point has no result.

        The status in the record is `failed` or `skipped`.
        """
        self._write_record(f"unfinished/{point}.json", {"point": point, **record})

    def write_experiment(self, name: str, sweep: Mapping[str, Any]) -> None:
        """Add the record of a sweep to an experiment (`add_sweep`)."""
        self._write_format()
        add_sweep(self.files, name, {"started": datetime.now(UTC).isoformat()} | dict(sweep))

    def remove_sweeps(self, name: str, numbers: Iterable[int]) -> None:
        """Remove the records of sweeps, which count from 1."""
        names = sweep_names(self.files, name)
        for number in numbers:
            self.files.remove(names[number - 1])

    def experiment_names(self) -> list[str]:
        """Return the experiments that were swept into this store."""
        folders = [Path(name).name for name in self.files.names(EXPERIMENTS)]
        return [name for name in folders if read_sweeps(self.files, name)]

    def experiment(self, name: str) -> dict[str, Any]:
        """Return the view over all sweeps of an experiment (`view_of`).

        The name `fig8@2` is the second sweep of `fig8` by itself. The view holds the points with their axes, and the
        number of draws and replications of each. Raises `InputError` if the experiment is not in the store.
        """
        return view_of(self.sweeps(name))

    def sweeps(self, name: str) -> list[Mapping[str, Any]]:
        """Return the records of an experiment's sweeps in their order.

        Of `fig8@2` it is the second only. Raises `InputError` if the experiment is not in the store.
        """
        experiment, _, number = name.partition(ONLY)
        sweeps = read_sweeps(self.files, experiment)
        if not sweeps:
            names = self.experiment_names()
            near = [known for known in names if known.startswith(experiment)]
            near = near or get_close_matches(experiment, names, cutoff=LIKENESS)
            advice = f"did you mean {' or '.join(near)}? Else run" if near else "run"
            raise InputError(
                f"experiment = {name}: not in {self.folder}; {advice} `python run.py -m {words_of(name)}` first"
            )
        if not number:
            return sweeps
        known = number.isdecimal() and 0 < int(number) <= len(sweeps)
        remedy = f"its sweeps are 1 to {len(sweeps)}; `python -m store sweeps {experiment}` lists them"
        require(known, "experiment", name, remedy)
        return [sweeps[int(number) - 1]]

    def records(self, point: str, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """Return the records of a point's parts."""
        return [record for part in parts if (record := self._record(point, part)) is not None]

    def unfinished(self, point: str) -> dict[str, Any] | None:
        """Return the record of the last attempt if that gave no result."""
        note: dict[str, Any] | None = self.files.read_json(f"unfinished/{point}.json", shapes.NOTE)
        return note

    def rows(self, parts: Parts, draws: int, replications: int) -> pd.DataFrame:
        """Return the rows of these parts in a fixed order.

        They are those of the first `draws` draws and `replications` replications.
        """
        names = [f"rows/{point}.{part}.parquet" for point in parts for part in parts[point]]
        tables = [decoded(self.folder / name) for name in names]
        frame = (pa.concat_tables(tables) if tables else SCHEMA.empty_table()).to_pandas()
        frame = frame[(frame["draw"] < draws) & (frame["replication"] < replications)]
        key = SCHEMA.names[:-1]
        return frame.drop_duplicates(key).sort_values(key, ignore_index=True)

    def _write_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a record; write the format of the store first if it has none."""
        self._write_format()
        self.files.write_json(name, record)

    def _write_format(self) -> None:
        if not (self.folder / "store.json").is_file():
            self.files.write_json("store.json", {"format": FORMAT})


def require_experiment_name(name: object) -> None:
    """Raise `InputError` unless a sweep can have this name."""
    require_name(**{"experiment.name": name})
    require(ONLY not in str(name), "experiment.name", name, f"{ONLY} chooses a sweep of an experiment; leave it out")


def store_at(folder: object) -> Store:
    """Return the store in a folder that a configuration names."""
    require(isinstance(folder, str), "store", folder, "must be the path of a folder")
    require_path(store=folder)
    return Store(Path(str(folder)).absolute())


def configured_name(experiment: str) -> str:
    """Return the name of an experiment in conf/experiment.

    It does not depend on the data that the experiment was swept with, nor on the sweep.
    """
    return experiment.partition(ONLY)[0].removesuffix(EMBEDDED)


def data_label(experiment: str) -> list[str]:
    """Return the line that marks results on embedded data; no line for others."""
    return [EMBEDDED_DATA] if experiment.partition(ONLY)[0].endswith(EMBEDDED) else []


def words_of(experiment: str) -> str:
    """Return the words of a command that choose an experiment and its data."""
    name = configured_name(experiment)
    return f"experiment={name}" + (" data=embedded" if experiment.partition(ONLY)[0] != name else "")


def _modified_ns(entry: os.DirEntry[str]) -> int:
    """Return when a file was written; 0 if it is no longer there."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return 0
