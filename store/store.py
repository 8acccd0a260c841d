"""A folder of points. Every file is written under a temporary name, flushed to disk and renamed: it is whole or absent.

rows/<point>.d0-20.r0-1.parquet     metrics of draws 0..19, replication 0: the same bytes on any number of workers
points/<point>.d0-20.r0-1.json      status, configuration, provenance; written last, so it commits the rows
unfinished/<point>.json             why a point has none (failed, skipped); never a result, tried again next time
experiments/<name>.json             the points of an experiment's last sweep with their axes
expansions/<hash>.json              the points of a command with their configurations, kept to be asked for again
"""

import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from system import InputError

SCHEMA_VERSION = 1
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


class StoreError(InputError):
    """The store cannot be written: nothing that is computed would be kept."""


class Part(NamedTuple):
    """A rectangle of draws and replications of a point, computed and committed together."""

    draws: range
    replications: range

    def __str__(self) -> str:
        return f"d{self.draws.start}-{self.draws.stop}.r{self.replications.start}-{self.replications.stop}"


@dataclass(frozen=True)
class Store:
    """Points and rows below `folder`, which is made when first written to."""

    folder: Path

    def finished_files(self) -> set[str]:
        """Names of the files that finished points leave, failed and skipped ones included."""
        return {path.name for folder in ("points", "unfinished") for path in (self.folder / folder).glob("[!.]*.json")}

    def parts(self) -> dict[str, list[Part]]:
        """What is committed, by point, from the names of the files alone."""
        committed = defaultdict(list)
        folder = self.folder / "points"
        for entry in os.scandir(folder) if folder.is_dir() else ():
            if match := _PART.fullmatch(entry.name):
                first_draw, last_draw, first, last = map(int, match.groups()[1:])
                committed[match["point"]].append(Part(range(first_draw, last_draw), range(first, last)))
        return committed

    def commit(self, point: str, part: Part, rows: Iterable[Sequence[Any]], record: Mapping[str, Any]) -> None:
        """Add a part: first its rows (draw, replication, metric, at, value), then the record that makes them count."""
        rows = [(point, *row) for row in rows]
        table = pa.table([[row[column] for row in rows] for column in range(len(ROW_SCHEMA))], schema=ROW_SCHEMA)
        name = f"{point}.{part}"
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self._write(f"rows/{name}.parquet", sink.getvalue())
        self.write_json(f"points/{name}.json", {"schema_version": SCHEMA_VERSION, "point": point, **record})
        (self.folder / "unfinished" / f"{point}.json").unlink(missing_ok=True)

    def leave_unfinished(self, point: str, record: Mapping[str, Any]) -> None:
        """Note why a point has no result: status `failed` or `skipped`."""
        self.write_json(f"unfinished/{point}.json", {"schema_version": SCHEMA_VERSION, "point": point, **record})

    def write_experiment(self, name: str, sweep: Mapping[str, Any]) -> None:
        """Note the points of an experiment's sweep."""
        self.write_json(f"experiments/{name}.json", sweep)

    def experiment_names(self) -> list[str]:
        """Experiments that were swept into this store."""
        return sorted(path.stem for path in (self.folder / "experiments").glob("*.json"))

    def experiment(self, name: str) -> dict[str, Any]:
        """The last sweep of an experiment: its points with their axes, and how many draws and replications of each."""
        path = self.folder / "experiments" / f"{name}.json"
        if not path.is_file():
            raise InputError(
                f"experiment = {name}: not in {self.folder}; run `python run.py -m experiment={name}` first"
            )
        sweep: dict[str, Any] = json.loads(path.read_text())
        return sweep

    def records(self, point: str, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """The records of a point's committed parts."""
        return [json.loads((self.folder / "points" / f"{point}.{part}.json").read_text()) for part in parts]

    def unfinished(self, point: str) -> dict[str, Any] | None:
        """The record of the last attempt, if it came to nothing."""
        found: dict[str, Any] | None = self.read_json(f"unfinished/{point}.json")
        return found

    def rows(self, points: Iterable[str], draws: int, replications: int) -> pd.DataFrame:
        """The committed rows of these points' first draws and replications, in a fixed order."""
        parts = self.parts()
        paths = [self.folder / "rows" / f"{point}.{part}.parquet" for point in points for part in parts.get(point, ())]
        tables = [pq.read_table(path, schema=ROW_SCHEMA) for path in paths]
        frame = (pa.concat_tables(tables) if tables else ROW_SCHEMA.empty_table()).to_pandas()
        frame = frame[(frame["draw"] < draws) & (frame["replication"] < replications)]
        key = ROW_SCHEMA.names[:-1]
        return frame.drop_duplicates(key).sort_values(key, ignore_index=True)

    def read_json(self, name: str) -> Any:
        """The content of a file, None if it is not there."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.is_file() else None

    def write_json(self, name: str, content: Any) -> None:
        """Write a file, whole or not at all."""
        self._write(name, json.dumps(content, indent=1, sort_keys=True).encode())

    def _write(self, name: str, content: bytes | pa.Buffer) -> None:
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)
        except OSError as error:
            raise StoreError(
                f"store = {self.folder}: cannot write {name} ({error.strerror}); make room there or set store=..."
            ) from error


def _write_whole(path: Path, content: bytes | pa.Buffer) -> None:
    """Whole or not at all, even if the machine stops: temporary name, flush, rename."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tmp-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def missing_parts(committed: Sequence[Part], draws: int, replications: int) -> list[Part]:
    """Parts that complete `draws` x `replications`, as few as the order of draws allows."""
    wanted = range(replications)
    missing: list[Part] = []
    for draw in range(draws):
        done = {r for part in committed if draw in part.draws for r in part.replications}
        rest = [r for r in wanted if r not in done]
        for run in _runs(rest):
            last = missing[-1] if missing else None
            if last and last.draws.stop == draw and last.replications == run:
                missing[-1] = Part(range(last.draws.start, draw + 1), run)
            else:
                missing.append(Part(range(draw, draw + 1), run))
    return missing


def _runs(numbers: Sequence[int]) -> list[range]:
    """Ascending numbers as ranges without gaps."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
