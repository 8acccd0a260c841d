"""Tables as text for people, and as files for other programs."""

from pathlib import Path
from typing import Any

import pandas as pd

from system.checks import require
from system.errors import InputError

SUFFIXES = (".csv", ".parquet")


def aligned(table: pd.DataFrame, empty: str = "") -> list[str]:
    """Return the header and the rows of a table as aligned lines.

    Numbers are aligned right and have six digits, other cells are aligned left; `empty` stands for nan.
    """
    columns = [
        _aligned([str(name), *(_cell(v, empty) for v in table[name])], _is_number(table[name])) for name in table
    ]
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _aligned(cells: list[str], right: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _is_number(column: pd.Series) -> bool:
    """Return whether all values are numbers, perhaps as text."""
    return bool(pd.to_numeric(column, errors="coerce").notna().eq(column.notna()).all())


def _cell(value: Any, empty: str) -> str:
    if pd.isna(value):
        return empty
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def require_table_name(path: Path) -> None:
    """Raise `InputError` unless the file's name ends in a format that can be written."""
    require(path.suffix in SUFFIXES, "to", path, f"must end in {' or '.join(SUFFIXES)}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of the file's name.

    Raises `InputError` if the file cannot be written.
    """
    require_table_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path, index=False)
    except OSError as error:
        raise InputError(f"to = {path}: cannot be written ({error.strerror}); name another file") from error
