"""Columns of a trace as numbers.

Every fault raises an `InputError` that names the file, the line (a header is line 1), the value and the remedy.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from system.checks import echo
from system.errors import InputError
from system.limits import TOKENS, TRACE_SPAN_S
from workloads.trace_formats import DATE, UNITS_S

LOOKS_LIKE_A_DATE = r"\s*\d{4}-\d{2}-\d{2}"  # a plain number such as 1700 is never a year
YEARS = range(1900, 2200)  # nanoseconds since 1970 fit into 64 bits from 1678 to 2262
DATE_REMEDY = "must be a time such as 2023-11-16 18:17:03.9799600"
TOKENS_REMEDY = "must be a whole number of at least 1"


class Column(NamedTuple):
    """Consecutive values of one column as text, with their line numbers as index."""

    file: Path
    text: pd.Series

    def refuse(self, wrong: NDArray[np.bool_], remedy: str) -> None:
        """Raise `InputError` for the first wrong value, if any."""
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            line, value = self.text.index[row], echo(self.text.iloc[row]) or "''"
            raise InputError(f"{self.file}, line {line}: {echo(self.text.name)} = {value} {remedy}")

    def refuse_missing(self) -> None:
        """Raise `InputError` for the first missing value, if any."""
        self.refuse(self.text.to_numpy() == "", "is missing; give every line all of its fields")


class Clock:
    """Turns the times of a file, chunk by chunk, into seconds after its first request."""

    def __init__(self, unit: str | None) -> None:
        """Keep the unit; None means dates or seconds."""
        self._unit = unit
        self._first: float | int | None = None
        self.last_s = 0.0

    def elapsed_s(self, times: Column) -> NDArray[np.float64]:
        """Return (n,) seconds; raise `InputError` for wrong or unsorted times."""
        is_date = times.text.str.match(LOOKS_LIKE_A_DATE).to_numpy(np.bool_)
        if self._unit is None:
            self._unit = DATE if is_date[0] else "s"
            numbers = pd.to_numeric(times.text, errors="coerce").to_numpy(np.float64)
            times.refuse(numbers >= TRACE_SPAN_S, "is too large for seconds; name the time_unit, such as ms")
        elapsed_s = self._of_dates(times, is_date) if self._unit == DATE else self._of_numbers(times, is_date)
        too_early = np.diff(elapsed_s, prepend=self.last_s) < 0
        times.refuse(too_early, "is earlier than the line before; sort the file by time")
        times.refuse(elapsed_s > TRACE_SPAN_S, "is over 3,000 years after the first time; check the time_unit")
        self.last_s = float(elapsed_s[-1])
        return elapsed_s

    def _of_dates(self, times: Column, is_date: NDArray[np.bool_]) -> NDArray[np.float64]:
        is_number = pd.to_numeric(times.text, errors="coerce").notna().to_numpy()
        times.refuse(is_number & ~is_date, "is a number among dates; give all times in one way, or name the time_unit")
        parsed = pd.to_datetime(times.text, format="ISO8601", utc=True, errors="coerce")
        times.refuse(parsed.isna().to_numpy() | ~is_date, DATE_REMEDY)
        times.refuse(~parsed.dt.year.isin(YEARS).to_numpy(), "must be a date of the years 1900 to 2199")
        nanoseconds = parsed.dt.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64)
        if self._first is None:
            self._first = int(nanoseconds[0])
        return np.asarray((nanoseconds - self._first) / 1e9, dtype=np.float64)

    def _of_numbers(self, times: Column, is_date: NDArray[np.bool_]) -> NDArray[np.float64]:
        assert self._unit is not None
        times.refuse(is_date, f"is a date, but times are numbers in {self._unit}; give all times in one way")
        values = pd.to_numeric(times.text, errors="coerce").to_numpy(np.float64)
        remedy = f"must be a number of {self._unit}, 0 or above, or a time such as 2023-11-16 18:17:03"
        times.refuse(~(np.isfinite(values) & (values >= 0)), remedy)
        if self._first is None:
            self._first = float(values[0])
        with np.errstate(over="ignore"):  # an infinite time is refused as too late
            return np.asarray((values - self._first) * UNITS_S[self._unit], dtype=np.float64)


def token_counts(tokens: Column, least: int = 1, remedy: str = TOKENS_REMEDY) -> NDArray[np.int32]:
    """Return (n,) whole numbers of at least `least`; raise `InputError` for other values."""
    counts = pd.to_numeric(tokens.text, errors="coerce").to_numpy(np.float64)
    tokens.refuse(~(np.isfinite(counts) & (counts >= least) & (counts == np.floor(counts))), remedy)
    tokens.refuse(counts > TOKENS, f"must be at most {TOKENS:,} tokens")
    return counts.astype(np.int32)
