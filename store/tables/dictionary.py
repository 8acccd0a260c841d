"""What the columns and metrics of a table mean, from `evaluators/metrics.yaml`."""

import re
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd
import yaml

# How a name ends, and the unit that this says; the first that fits counts.
UNITS = {"_per_s": "1/s", ".per_s": "1/s", "_s": "s", "_gb": "GB", "_share": "share"}
_NUMBER = re.compile(r"\d+")


class Meaning(NamedTuple):
    """A column of a table, or a metric that is among its rows."""

    name: str
    kind: str  # column, axis or metric
    unit: str
    at: str  # what the column of that name holds for this metric
    meaning: str


def dictionary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row (`Meaning`) for each column and each metric of a table that `load` or `collect` made."""
    columns = [_column(str(name)) for name in rows]
    return pd.DataFrame([*columns, *map(_metric, rows["metric"].unique())], columns=list(Meaning._fields))


def whole_dictionary() -> pd.DataFrame:
    """All columns but the axes, and all metrics of all evaluators."""
    names = definitions()
    meanings = [*map(_column, names["columns"]), *map(_metric, names["metrics"])]
    return pd.DataFrame(meanings, columns=list(Meaning._fields))


@cache
def definitions() -> dict[str, Any]:
    """The file: `columns`, and `metrics` with `unit`, `is` and, where it is used, `at`."""
    loaded: dict[str, Any] = yaml.safe_load(
        files("evaluators.points").joinpath("metrics.yaml").read_text(encoding="utf-8")
    )
    return loaded


def _column(name: str) -> Meaning:
    known = definitions()["columns"].get(name)
    if known is None:
        return Meaning(name, "axis", unit_of(name), "", "an axis of the experiment: the choice or value of this key")
    return Meaning(name, "column", unit_of(name), "", known)


def _metric(name: str) -> Meaning:
    found = definitions()["metrics"].get(_NUMBER.sub("<n>", name))
    if found is None:
        return Meaning(name, "metric", unit_of(name), "", "not in evaluators/metrics.yaml")
    return Meaning(name, "metric", found["unit"], found.get("at", ""), found["is"])


def unit_of(name: str) -> str:
    """The unit in which a name ends; empty where it says none."""
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
