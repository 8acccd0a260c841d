"""Rows of a part as the bytes of a parquet file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store.disk.files import sha256_of
from system.errors import InputError

SCHEMA = pa.schema(
    [
        ("point", pa.string()),
        ("draw", pa.int32()),
        ("replication", pa.int32()),
        ("metric", pa.string()),
        ("at", pa.float64()),
        ("value", pa.float64()),
    ]
)


def encoded(point: str, rows: Iterable[Sequence[Any]]) -> bytes:
    """Return the rows of a point as a file.

    A row is (draw, replication, metric, at, value).
    """
    rows = [(point, *row) for row in rows]
    table = pa.table([[row[column] for row in rows] for column in range(len(SCHEMA))], schema=SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


def fault_of(content: bytes | None, sha256: str) -> str:
    """Return what is wrong with the file of a part's rows, if anything."""
    if content is None:
        return "its rows are gone"
    if sha256_of(content) != sha256:
        return "the rows are torn or changed"
    try:
        fits = pq.read_schema(pa.BufferReader(content)).equals(SCHEMA)
    except (pa.ArrowException, OSError):
        return "the rows are no parquet file"
    return "" if fits else "the rows have other columns"


def decoded(path: Path) -> pa.Table:
    """Return the rows in a file; raise `InputError` if it has changed."""
    try:
        return pq.ParquetFile(path).read(use_threads=False)  # threads cost more than such a small file
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"rows = {path}: cannot be read; start the sweep again, which computes them again") from error
