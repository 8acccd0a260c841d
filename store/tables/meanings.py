"""The data dictionary: what the columns and metrics of a table mean.

The columns are the store's own (`columns.yaml`). What metrics mean is handed in by whoever knows the evaluators.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

FILE = Path(__file__).with_name("columns.yaml")
# How a name ends, and the unit that this says; the first that fits counts.
UNITS = {"_per_s": "1/s", ".per_s": "1/s", "_s": "s", "_gb": "GB", "_share": "share"}
NUMBER = re.compile(r"\d+")

Metrics = Mapping[str, Mapping[str, Any]]  # by name: `unit`, `is` and, where it is used, `at`


class Meaning(NamedTuple):
    """What a column, an axis or a metric of a table means."""

    name: str
    kind: str  # column, axis or metric
    unit: str
    at: str  # what the column of that name holds for this metric
    meaning: str


def dictionary(rows: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """Return a row (`Meaning`) for each column and each metric of a table that `load` or `collect` made."""
    return _table(
        [*(_column(str(name)) for name in rows), *(_metric(name, metrics) for name in rows["metric"].unique())]
    )


def whole_dictionary(metrics: Metrics) -> pd.DataFrame:
    """Return a row (`Meaning`) for each column that is no axis, and for each metric."""
    return _table([*map(_column, columns()), *(_metric(name, metrics) for name in metrics)])


@cache
def columns() -> dict[str, str]:
    """Return what each column means."""
    meanings: dict[str, str] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return meanings


def unit_of(name: str) -> str:
    """Return the unit in which a name ends; empty where it ends in none."""
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _table(meanings: list[Meaning]) -> pd.DataFrame:
    return pd.DataFrame(meanings, columns=list(Meaning._fields))


def _column(name: str) -> Meaning:
    if name in columns():
        return Meaning(name, "column", unit_of(name), "", columns()[name])
    return Meaning(name, "axis", unit_of(name), "", "an axis of the experiment: the choice or value of this key")


def _metric(name: str, metrics: Metrics) -> Meaning:
    meaning = metrics.get(NUMBER.sub("<n>", name))
    if meaning is None:
        return Meaning(name, "metric", unit_of(name), "", "not explained: no evaluator of this version emits it")
    return Meaning(name, "metric", meaning["unit"], meaning.get("at", ""), meaning["is"])
