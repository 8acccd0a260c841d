"""Data dictionary: the meanings of a table's columns and metrics.

Meanings of columns are in `columns.yaml`. Meanings of metrics are passed in, as the store does not know the evaluators.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from system.documents.yaml_files import read_yaml

FILE = Path(__file__).with_name("columns.yaml")
# Unit by the ending of a name; the first ending that fits counts.
UNITS = {"_per_s": "1/s", ".per_s": "1/s", "_s": "s", "_gb": "GB", "_j": "J", "_share": "share"}

Metrics = Mapping[str, Mapping[str, Any]]  # by name: `unit`, `is` and, if the metric uses it, `at`


class Meaning(NamedTuple):
    """Meaning of a column, an axis or a metric of a table."""

    name: str
    kind: str  # column, axis or metric
    unit: str
    at: str  # meaning of the column `at` for this metric
    meaning: str


def dictionary(rows: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """Return a row (`Meaning`) for each column and each metric of a table.

    `rows` is a table as `load` and `collect` return it.
    """
    return _table(
        [*(_column(str(name)) for name in rows), *(meaning_of(name, metrics) for name in rows["metric"].unique())]
    )


def whole_dictionary(metrics: Metrics) -> pd.DataFrame:
    """Return a row (`Meaning`) for each metric and each column except axes."""
    return _table([*map(_column, columns()), *(meaning_of(name, metrics) for name in metrics)])


@cache
def columns() -> dict[str, str]:
    """Return the meaning of each column."""
    meanings: dict[str, str] = read_yaml(FILE)
    return meanings


def unit_of(name: str) -> str:
    """Return the unit at the end of a name; empty if there is none."""
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _table(meanings: list[Meaning]) -> pd.DataFrame:
    return pd.DataFrame(meanings, columns=list(Meaning._fields))


def _column(name: str) -> Meaning:
    if name in columns():
        return Meaning(name, "column", unit_of(name), "", columns()[name])
    return Meaning(name, "axis", unit_of(name), "", "an axis of the experiment: the choice or value of this key")


@cache
def _pattern(known: str) -> re.Pattern[str]:
    """Return the pattern of the names that a known name stands for."""
    return re.compile(known.replace("<n>", r"\d+").replace("<name>", r"\w+"))


def meaning_of(name: str, metrics: Metrics) -> Meaning:
    """Return the meaning of a metric."""
    meaning = next((metrics[known] for known in metrics if _pattern(known).fullmatch(name)), None)
    if meaning is None:
        return Meaning(name, "metric", unit_of(name), "", "unknown: no evaluator of this version reports it")
    return Meaning(name, "metric", meaning["unit"], meaning.get("at", ""), meaning["is"])
