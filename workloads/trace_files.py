"""Reader of request traces: CSV or JSONL, perhaps packed by gzip, in chunks of lines.

Only one chunk of text is in memory at a time, and reading ends after the requests that are wanted. So the lines after
them are not checked.
"""

import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from system.checks import require
from system.errors import InputError
from workloads.requests import Requests
from workloads.trace_columns import TOKENS_REMEDY, Clock, Column, token_counts
from workloads.trace_formats import TraceFormat, formats_with

CHUNK_LINES = 20_000
CSV_ENDINGS = (".csv", ".csv.gz")
ENDINGS = (*CSV_ENDINGS, ".jsonl", ".jsonl.gz")
UNANSWERED_REMEDY = f"{TOKENS_REMEDY}; for requests without an answer set unanswered to drop or one_token"


class Recording(NamedTuple):
    """The requests of a trace, the first line at time 0.

    `unanswered` has the positions of requests without an answer, ascending. Where these were dropped, they are the
    positions of the next requests.
    """

    requests: Requests
    unanswered: NDArray[np.int64]


def read_recording(path: Path, form: TraceFormat, count: int | None = None) -> Recording:
    """Return at least the first `count` requests; None means all.

    A file with fewer is read to its end. A process reads a file once for each number of chunks, unless it changes.
    """
    status = path.stat()
    chunks = None if count is None else -(-count // CHUNK_LINES)
    return _read(path, (status.st_mtime_ns, status.st_size), form, chunks)


@cache
def _read(path: Path, version: tuple[int, int], form: TraceFormat, chunks: int | None) -> Recording:
    """Read enough chunks; `version` tells cached versions apart."""
    clock, parts, kept = Clock(form.time_unit), [], 0
    for text in _chunks(path, form.columns):
        parts.append(_parsed(path, text, form, clock))
        kept += len(parts[-1].requests)
        if chunks is not None and kept >= chunks * CHUNK_LINES:
            break
    if kept == 0:
        raise InputError(f"{path} has no request with an answer: set unanswered to one_token, or use another file")
    return _joined(parts)


def _joined(parts: Sequence[Recording]) -> Recording:
    starts = np.cumsum([0, *(len(part.requests) for part in parts)])
    requests = Requests(
        np.concatenate([part.requests.arrival_s for part in parts]),
        np.concatenate([part.requests.input_tokens for part in parts]),
        np.concatenate([part.requests.output_tokens for part in parts]),
    )
    unanswered = [part.unanswered + start for part, start in zip(parts, starts, strict=False)]
    return Recording(requests, np.concatenate(unanswered))


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
    reader = _csv_chunks if name.endswith(CSV_ENDINGS) else _jsonl_chunks
    try:
        yield from reader(path, titles)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a text file, or one packed by gzip as .gz") from error


def _csv_chunks(path: Path, titles: Sequence[str]) -> Iterator[pd.DataFrame]:
    try:
        # The header is read as a row. Otherwise pandas would make the first field of a first row with too many fields
        # an index.
        lines = pd.read_csv(
            path, header=None, dtype=str, skip_blank_lines=False, chunksize=CHUNK_LINES, encoding="utf-8-sig"
        )
        with lines:
            first = lines.get_chunk(CHUNK_LINES + 1)
            header = first.iloc[0].astype(str).tolist()
            _require_titles(path, header, titles)
            if len(first) == 1:
                raise InputError(f"{path} has a header but no requests: add at least one line")
            for chunk in itertools.chain([first.iloc[1:]], lines):
                columns = chunk[[header.index(title) for title in titles]]
                yield columns.set_axis(list(titles), axis=1).set_axis(chunk.index + 1)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty: give a file with the columns {', '.join(titles)}") from None
    except pd.errors.ParserError as error:
        reason = str(error).rsplit("C error: ", maxsplit=1)[-1].strip()
        raise InputError(f"{path}: {reason}: give every line as many fields as the header") from error


def _require_titles(path: Path, present: Sequence[str], titles: Sequence[str]) -> None:
    missing = [title for title in titles if title not in present]
    if missing:
        fitting = formats_with(present)
        remedy = f"use format {' or '.join(fitting)}" if fitting else "name its column in columns"
        raise InputError(f"{path} has no column {missing[0]}, only {', '.join(present)}: {remedy}")


def _jsonl_chunks(path: Path, titles: Sequence[str]) -> Iterator[pd.DataFrame]:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        first = 1
        while batch := list(itertools.islice(lines, CHUNK_LINES)):
            rows = [_object(path, first + n, line) for n, line in enumerate(batch)]
            if first == 1:
                _require_titles(path, list(rows[0]), titles)
            fields = {title: [_text(row.get(title)) for row in rows] for title in titles}
            yield pd.DataFrame(fields, index=range(first, first + len(rows)), dtype=object)
            first += len(rows)
    if first == 1:
        raise InputError(f"{path} is empty: give a file with the keys {', '.join(titles)}")


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise InputError(f"{path}, line {line}: is not a JSON object; give one request a line")
    return row


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
