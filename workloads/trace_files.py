"""Reader of request traces: CSV or JSONL, in chunks of lines.

Only one chunk of text is in memory at a time, and reading ends after the requests that are wanted. So the lines after
them are not checked.
"""

import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray

from system.checks import echo, require
from system.documents.json_files import unrepeated, whole
from system.errors import InputError
from system.limits import TRACE_LINE
from system.words import counted, shortened
from workloads.requests import Requests
from workloads.trace_columns import TOKENS_REMEDY, Clock, Column, token_counts
from workloads.trace_formats import TraceFormat, formats_with
from workloads.trace_lines import lines_of, refuse_too_many_lines, refuse_too_many_requests

CHUNK_LINES = 20_000
CSV_ENDINGS = (".csv", ".csv.gz")
ENDINGS = (*CSV_ENDINGS, ".jsonl", ".jsonl.gz")
UNANSWERED_REMEDY = f"{TOKENS_REMEDY}; for requests without an answer set unanswered to drop or one_token"
OTHER_SEPARATORS = re.compile(r"[;|\t]")  # of fields that other programs write

Row = tuple[int, tuple[str, ...]]  # line number and the values of the three columns

csv.field_size_limit(TRACE_LINE)  # a prompt can be longer than the default of 131,072 characters


class Recording(NamedTuple):
    """The requests of a trace, the first line at time 0.

    `unanswered` has the positions of requests without an answer, ascending. Where these were dropped, they are the
    positions of the next requests.
    """

    requests: Requests
    unanswered: NDArray[np.int64]


class GrowingColumn:
    """A column that grows in place, as joining parts at the end would double its memory."""

    def __init__(self, dtype: DTypeLike) -> None:
        """Start without values."""
        self._values: NDArray[Any] = np.empty(CHUNK_LINES, dtype)
        self._size = 0

    def extend(self, part: NDArray[Any]) -> None:
        """Append values."""
        end = self._size + part.size
        if end > self._values.size:
            self._values.resize(max(end, self._values.size * 9 // 8), refcheck=False)
        self._values[self._size : end] = part
        self._size = end

    @property
    def filled(self) -> NDArray[Any]:
        """Return the values so far."""
        return self._values[: self._size]


def read_recording(path: Path, form: TraceFormat, count: int | None = None, end_s: float = inf) -> Recording:
    """Return at least the first `count` requests, or those until a time.

    By default these are all. A file with fewer is read to its end. A process reads a file once for each number of
    chunks, unless it changes.
    """
    status = path.stat()
    chunks = inf if count is None else -(-count // CHUNK_LINES)
    return _read(path, (status.st_mtime_ns, status.st_size), form, chunks, end_s)


@cache
def _read(path: Path, version: tuple[int, int], form: TraceFormat, chunks: float, end_s: float) -> Recording:
    """Read enough chunks; `version` tells cached versions apart."""
    if chunks == end_s == inf:
        refuse_too_many_lines(path)
    clock, kept = Clock(form.time_unit), 0
    columns = tuple(map(GrowingColumn, (np.float64, np.int32, np.int32, np.int64)))
    for text in _chunks(path, form.columns):
        chunk = _parsed(path, text, form, clock)
        for column, part in zip(columns, (*chunk.requests.columns, chunk.unanswered + kept), strict=True):
            column.extend(part)
        kept += len(chunk.requests)
        refuse_too_many_requests(path, kept)
        if kept >= chunks * CHUNK_LINES or clock.last_s >= end_s:
            break
    if kept == 0:
        raise InputError(f"{path} has no request with an answer: set unanswered to one_token, or use another file")
    *requests, unanswered = (column.filled for column in columns)
    return Recording(Requests(*requests), unanswered)


def _parsed(path: Path, text: pd.DataFrame, form: TraceFormat, clock: Clock) -> Recording:
    """Return a chunk's requests, the unanswered ones treated."""
    times, inputs, outputs = (Column(path, text[title]) for title in form.columns)
    for column in (times, inputs, outputs):
        column.refuse_missing()
    least = 1 if form.unanswered == "refuse" else 0
    output_tokens = token_counts(outputs, least, UNANSWERED_REMEDY)
    requests = Requests(clock.elapsed_s(times), token_counts(inputs), np.maximum(output_tokens, 1))
    is_answered = output_tokens > 0
    if form.unanswered == "drop":
        before = np.cumsum(is_answered, dtype=np.int64)
        return Recording(requests.select(is_answered), before[~is_answered])
    return Recording(requests, np.flatnonzero(~is_answered))


def _chunks(path: Path, titles: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield these columns as text, labelled by line number."""
    name = path.name.lower()
    require(name.endswith(ENDINGS), "file", path, f"its name must end in one of {', '.join(ENDINGS)}")
    rows_of = _csv_rows if name.endswith(CSV_ENDINGS) else _jsonl_rows
    rows = rows_of(path, lines_of(path), titles)
    while batch := list(itertools.islice(rows, CHUNK_LINES)):
        numbers, values = zip(*batch, strict=True)
        yield pd.DataFrame(dict(zip(titles, zip(*values, strict=True), strict=True)), index=numbers, dtype=object)


def _csv_rows(path: Path, lines: Iterator[str], titles: Sequence[str]) -> Iterator[Row]:
    reader, line = csv.reader(lines, strict=True), 1
    try:
        header = next(reader, None)
        if header is None:
            raise InputError(f"{path} is empty: give a file with the columns {', '.join(titles)}")
        _require_titles(path, header, titles)
        columns = itemgetter(*(header.index(title) for title in titles))
        first = line = reader.line_num + 1
        for row in reader:
            if len(row) != len(header):
                counts = f"has {counted(len(row), 'field')}, but the header has {len(header)}"
                raise InputError(f"{path}, line {line}: {counts}; give every line all of its fields")
            yield line, columns(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: {error}; close each quote, and double a quote in a text") from error
    if line == first:
        raise InputError(f"{path} has a header but no requests: add at least one line")


def _require_titles(path: Path, present: Sequence[str], titles: Sequence[str]) -> None:
    missing = [title for title in titles if title not in present]
    if missing:
        fitting = formats_with(present)
        remedy = f"use format {' or '.join(fitting)} without columns" if fitting else "name its column in columns"
        if len(present) == 1 and OTHER_SEPARATORS.search(present[0]):
            remedy = "separate its fields by commas"
        columns = shortened([echo(title) for title in present], 10)
        raise InputError(f"{path} has no column {echo(missing[0])}, only {columns}: {remedy}")
    repeated = [title for title in titles if present.count(title) > 1]
    if repeated:
        raise InputError(f"{path} has more than one column {echo(repeated[0])}: rename all but one")


def _jsonl_rows(path: Path, lines: Iterator[str], titles: Sequence[str]) -> Iterator[Row]:
    number = 0
    for number, line in enumerate(lines, 1):
        row = _object(f"{path}, line {number}", line)
        if number == 1:
            _require_titles(path, list(row), titles)
        yield number, tuple(_text(row.get(title)) for title in titles)
    if number == 0:
        raise InputError(f"{path} is empty: give a file with the keys {', '.join(titles)}")


def _object(location: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=unrepeated, parse_int=whole)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{location}: is not understood as JSON ({reason}); give one object a line") from error
    if not isinstance(row, dict):
        raise InputError(f"{location} = {echo(row)}: is not a JSON object; give one request a line")
    return row


def _text(value: Any) -> str:
    return "" if value is None else str(value)
