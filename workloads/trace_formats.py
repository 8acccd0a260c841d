"""Formats of trace files: which column holds what, and the unit of its times.

The formats with a name are in `trace_formats.yaml`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from system.checks import require, require_known, require_one_of
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml

DATE = "date"
UNITS_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
COLUMNS = ("arrival", "input_tokens", "output_tokens")

Unanswered = Literal["refuse", "drop", "one_token"]


@dataclass(frozen=True)
class TraceFormat:
    """The columns of a trace, the unit of its times, and the treatment of requests without an answer.

    `time_unit` is one of `UNITS_S`, or `date`. With None, dates are dates and plain numbers are seconds. A request
    without an answer has 0 output tokens. `unanswered` is one of:

    - `refuse`: the file is refused;
    - `drop`: the request is left out, the others keep their times;
    - `one_token`: the request is kept with one output token, the least that a served request has.
    """

    arrival: str
    input_tokens: str
    output_tokens: str
    time_unit: str | None = None
    unanswered: Unanswered = "refuse"

    def __post_init__(self) -> None:
        if self.time_unit is not None:
            require_one_of((*UNITS_S, DATE), time_unit=self.time_unit)
        require_one_of(get_args(Unanswered), unanswered=self.unanswered)

    @property
    def columns(self) -> tuple[str, str, str]:
        """Return the names of the three columns."""
        return self.arrival, self.input_tokens, self.output_tokens


def trace_format(
    name: str,
    columns: Mapping[str, str | None] | None = None,
    time_unit: str | None = None,
    unanswered: Unanswered = "refuse",
) -> TraceFormat:
    """Return a format, with columns and unit replaced where given.

    Raises `InputError` for an unknown name or column.
    """
    require_known("format", name, _formats())
    own = _formats()[name]
    is_mapping = columns is None or isinstance(columns, Mapping)
    require(is_mapping, "columns", columns, f"must be a mapping with keys of {', '.join(COLUMNS)}")
    for column in columns or ():
        require_known("columns", column, COLUMNS)
    given = {column: str(title) for column, title in (columns or {}).items() if title is not None}
    titles = own["columns"] | given
    require(len(set(titles.values())) == len(COLUMNS), "columns", titles, "must be three different columns")
    unit = own.get("time_unit") if time_unit is None else time_unit
    return TraceFormat(**titles, time_unit=unit, unanswered=unanswered)


def formats_with(titles: Iterable[str]) -> list[str]:
    """Return the formats whose columns are all present."""
    present = set(titles)
    return [name for name, own in _formats().items() if set(own["columns"].values()) <= present]


@cache
def _formats() -> dict[str, dict[str, Any]]:
    file = Path(__file__).with_suffix(".yaml")
    formats: dict[str, dict[str, Any]] = read_yaml(file)
    for name, own in formats.items():
        columns = Entry.of(f"{name} in {file}", own, ("columns", "time_unit")).part("columns", "three columns", COLUMNS)
        for column in COLUMNS:
            columns.text(column, "the name of a column")
    return formats
