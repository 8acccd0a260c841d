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
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from store.disk.files import TEMPORARY, Files
from store.disk.parts import Part, Parts
from store.disk.sweeps import add_sweep, read_sweeps, sweep_names, view_of
from store.disk.upgrade import move_sweeps
from system import InputError
from system.checks import require

FORMAT = 3
UPGRADABLE = 2
LIKENESS = 0.75  # from this likeness on a stored experiment is suggested for an unknown one
EMBEDDED = "_embedded"  # ends the name of an experiment that was swept with data=embedded (conf/data/embedded.yaml)
ONLY = "@"  # fig8@2 names the second sweep of fig8
ROW_SCHEMA = pa.schema(
    [
        ("point", pa.string()),
        ("draw", pa.int32()),
        ("replication", pa.int32()),
        ("metric", pa.string()),
        ("at", pa.float64()),
        ("value", pa.float64()),
    ]
)
_PART = re.compile(r"(?P<point>[0-9a-f]+)\.d(\d+)-(\d+)\.r(\d+)-(\d+)\.json")


@dataclass(frozen=True)
class Store:
    """Points and rows below `folder`.

    A store of format 2 is upgraded when it is opened. Raises `InputError` for other formats than that of this project.
    """

    folder: Path

    def __post_init__(self) -> None:
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
        """Return the format of the store; format 1 was not written down."""
        stated = self.files.read_json("store.json") or {}
        return int(stated.get("format", 1 if (self.folder / "points").is_dir() else FORMAT))

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
        """Return the committed parts of these points; set parts with damaged files aside."""
        committed: dict[str, list[Part]] = {point: [] for point in points}
        folder = self.folder / "points"
        for name in sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else ():
            match = _PART.fullmatch(name)
            if match and match["point"] in committed:
                first_draw, last_draw, first, last = map(int, match.groups()[1:])
                part = Part(range(first_draw, last_draw), range(first, last))
                if self._is_sound(f"{match['point']}.{part}"):
                    committed[match["point"]].append(part)
            elif not match and not name.startswith(TEMPORARY):
                self.files.set_aside(
                    f"points/{name}", why="its name is not that of a part, so this project did not write it"
                )
        return committed

    def has(self, point: str, part: Part) -> bool:
        """Return whether exactly this part is committed; its files are not checked."""
        return (self.folder / "points" / f"{point}.{part}.json").is_file()

    def commit(self, point: str, part: Part, rows: Iterable[Sequence[Any]], record: Mapping[str, Any]) -> None:
        """Add a part: first its rows, then the record that commits them.

        A row is (draw, replication, metric, at, value).
        """
        rows = [(point, *row) for row in rows]
        table = pa.table([[row[column] for row in rows] for column in range(len(ROW_SCHEMA))], schema=ROW_SCHEMA)
        name = f"{point}.{part}"
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        content = sink.getvalue().to_pybytes()
        self.files.write(f"rows/{name}.parquet", content)
        self._write_record(f"points/{name}.json", {"point": point, "rows_sha256": _sha256(content), **record})
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
        return sorted({path.parent.name for path in (self.folder / "experiments").glob("[!.]*/[!.]*.json")})

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
        """Return the records of a point's committed parts."""
        return [self.files.read_json(f"points/{point}.{part}.json") for part in parts]

    def unfinished(self, point: str) -> dict[str, Any] | None:
        """Return the record of the last attempt if that gave no result."""
        note: dict[str, Any] | None = self.files.read_json(f"unfinished/{point}.json")
        return note

    def rows(self, parts: Parts, draws: int, replications: int) -> pd.DataFrame:
        """Return the rows of these parts in a fixed order.

        They are those of the first `draws` draws and `replications` replications.
        """
        names = [f"rows/{point}.{part}.parquet" for point in parts for part in parts[point]]
        tables = [pq.read_table(self.folder / name, schema=ROW_SCHEMA) for name in names]
        frame = (pa.concat_tables(tables) if tables else ROW_SCHEMA.empty_table()).to_pandas()
        frame = frame[(frame["draw"] < draws) & (frame["replication"] < replications)]
        key = ROW_SCHEMA.names[:-1]
        return frame.drop_duplicates(key).sort_values(key, ignore_index=True)

    def _write_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a record; write the format of the store first if it has none."""
        self._write_format()
        self.files.write_json(name, record)

    def _write_format(self) -> None:
        if not (self.folder / "store.json").is_file():
            self.files.write_json("store.json", {"format": FORMAT})

    def _is_sound(self, name: str) -> bool:
        """Return whether a part's record can be read and matches its rows.

        If not, the part is set aside.
        """
        record = self.files.read_json(f"points/{name}.json")
        if record is None:
            return False
        rows = self.folder / "rows" / f"{name}.parquet"
        if not rows.is_file():
            self.files.set_aside(f"points/{name}.json", why="its rows are gone")
        elif _sha256(rows.read_bytes()) != record["rows_sha256"]:
            self.files.set_aside(f"rows/{name}.parquet", f"points/{name}.json", why="the rows are torn or changed")
        else:
            return True
        return False


def configured_name(experiment: str) -> str:
    """Return the name of an experiment in conf/experiment.

    It does not depend on the data that the experiment was swept with, nor on the sweep.
    """
    return experiment.partition(ONLY)[0].removesuffix(EMBEDDED)


def words_of(experiment: str) -> str:
    """Return the words of a command that choose an experiment and its data."""
    name = configured_name(experiment)
    return f"experiment={name}" + (" data=embedded" if experiment.partition(ONLY)[0] != name else "")


def _modified_ns(entry: os.DirEntry[str]) -> int:
    """Return when a file was written; 0 if it is no longer there."""
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
