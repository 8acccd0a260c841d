"""Reader of request traces in the format of the Azure LLM inference traces.

The columns are TIMESTAMP (ISO 8601; UTC where no zone is given), ContextTokens and GeneratedTokens; others are ignored.
Every fault raises an `InputError` that names the file, the line (the header is line 1), the value and the remedy.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from system.errors import InputError
from workloads.requests import Requests

TIMESTAMP, INPUT_TOKENS, OUTPUT_TOKENS = COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read_requests(path: Path) -> Requests:
    """Return the requests of a trace file, the first one at time 0.

    A process reads a file once, unless it changes.
    """
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, modified_ns: int) -> Requests:
    """Read the file; `modified_ns` tells its versions apart in the cache."""
    table = _table(path)
    return Requests(
        _arrival_s(path, table[TIMESTAMP]),
        _token_counts(path, table[INPUT_TOKENS]),
        _token_counts(path, table[OUTPUT_TOKENS]),
    )


def _table(path: Path) -> pd.DataFrame:
    """Return the file's fields as text, labelled by the header.

    The row with index i is line i + 1 of the file.
    """
    try:
        # The header is read as a row. Otherwise pandas would make the first field of a first row with too many fields
        # an index.
        lines = pd.read_csv(path, header=None, dtype=str, skip_blank_lines=False, quoting=csv.QUOTE_NONE)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty: give a file with the columns {', '.join(COLUMNS)}") from None
    except pd.errors.ParserError as error:
        reason = str(error).rsplit("C error: ", maxsplit=1)[-1].strip()
        raise InputError(f"{path}: {reason}: give every line as many fields as the header") from error
    lines.columns = lines.iloc[0].astype(str)
    missing = [name for name in COLUMNS if name not in lines.columns]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}, only {', '.join(lines.columns)}: rename or add it")
    if len(lines) == 1:
        raise InputError(f"{path} has a header but no requests: add at least one line")
    return lines.iloc[1:]


def _arrival_s(path: Path, text: pd.Series) -> NDArray[np.float64]:
    """Return (n,) seconds after the first request.

    Raises `InputError` for a value that is not a time or is out of order.
    """
    remedy = "must be a time such as 2023-11-16 18:17:03.9799600"
    times = _parsed(
        path, text, lambda column: pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce"), remedy
    )
    elapsed_s = (times - times.iloc[0]).to_numpy("timedelta64[ns]").astype(np.int64) / 1e9
    _refuse(path, text, np.diff(elapsed_s, prepend=0.0) < 0, "is earlier than the line before; sort the file by time")
    return elapsed_s


def _token_counts(path: Path, text: pd.Series) -> NDArray[np.int64]:
    """Return (n,) whole numbers of at least 1; raise `InputError` for any other value.

    A request must have a prompt and an answer.
    """
    remedy = "must be a whole number of at least 1"
    counts = _parsed(path, text, lambda column: pd.to_numeric(column, errors="coerce"), remedy).to_numpy(np.float64)
    _refuse(path, text, ~(np.isfinite(counts) & (counts >= 1) & (counts == np.floor(counts))), remedy)
    return counts.astype(np.int64)


def _parsed(path: Path, text: pd.Series, parse: Callable[[pd.Series], pd.Series], remedy: str) -> pd.Series:
    """Parse a column; raise `InputError` if a value is missing or cannot be parsed."""
    _refuse(path, text.fillna("''"), text.isna().to_numpy(), "is missing; give every line as many fields as the header")
    values = parse(text)
    _refuse(path, text, values.isna().to_numpy(), remedy)
    return values


def _refuse(path: Path, text: pd.Series, wrong: NDArray[np.bool_], remedy: str) -> None:
    """Raise `InputError` for the first row that is wrong, if any."""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{path}, line {text.index[row] + 1}: {text.name} = {text.iloc[row]} {remedy}")
