"""Tables as text for people, and as files for other programs and for documents."""

import re
from collections.abc import Callable, Sequence
from math import floor, log10
from pathlib import Path
from typing import Any

import pandas as pd

from store.tables.statistics import Interval
from system.checks import require
from system.errors import InputError

SUFFIXES = (".csv", ".parquet", ".tex", ".md")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")
FORMATS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
TEX = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"})
TEX |= str.maketrans({"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"})
MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_`<>"})


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
    if any(isinstance(value, Interval) for value in column):
        return False
    return bool(pd.to_numeric(column, errors="coerce").notna().eq(column.notna()).all())


def _cell(value: Any, empty: str = "") -> str:
    if isinstance(value, Interval):
        return " ± ".join(rounded(value))
    if pd.isna(value):
        return empty
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def rounded(interval: Interval) -> list[str]:
    """Return mean and half-width, rounded to two digits of the latter.

    Without a half-width above 0 it is the mean alone, with six digits.
    """
    if not interval.half_width > 0:
        return [f"{interval.mean:.6g}"]
    half_width = float(f"{interval.half_width:.1e}")
    decimals = 1 - floor(log10(half_width))
    return [f"{round(value, decimals):.{max(decimals, 0)}f}" for value in (interval.mean, half_width)]


def latex(table: pd.DataFrame) -> list[str]:
    """Return a table as lines of LaTeX (package booktabs)."""
    columns = "".join("r" if _is_numeric(table[name]) else "l" for name in table)
    header, *rows = _cells(table, _latex_cell)
    lines = [r"\toprule", _latex_row(header), r"\midrule", *map(_latex_row, rows), r"\bottomrule"]
    return [rf"\begin{{tabular}}{{{columns}}}", *lines, r"\end{tabular}"]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(value: Any) -> str:
    if isinstance(value, Interval):
        return "$" + r" \pm ".join(map(_latex_number, rounded(value))) + "$"
    text = _cell(value)
    return f"${_latex_number(text)}$" if NUMBER.fullmatch(text) else text.translate(TEX)


def _latex_number(text: str) -> str:
    """Return a number with its power of ten as mathematics."""
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else text


def markdown(table: pd.DataFrame) -> list[str]:
    """Return a table as lines of GitHub's Markdown."""
    header, *rows = _cells(table, lambda value: _cell(value).translate(MARKDOWN))
    rule = ["---:" if _is_numeric(table[name]) else "---" for name in table]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _cells(table: pd.DataFrame, cell: Callable[[Any], str]) -> list[list[str]]:
    """Return header and rows as lists of texts."""
    rows = table.astype(object).itertuples(index=False, name=None)
    return [[cell(value) for value in row] for row in (tuple(map(str, table)), *rows)]


def _is_numeric(column: pd.Series) -> bool:
    """Return whether a document aligns a column right."""
    return any(isinstance(value, Interval) for value in column) or _is_number(column)


def require_table_name(path: Path) -> None:
    """Raise `InputError` unless the file's name ends in a format that can be written."""
    require(path.suffix in SUFFIXES, "to", path, f"must end in {FORMATS}")


def write_table(table: pd.DataFrame, path: Path, typeset: pd.DataFrame | None = None, title: str = "") -> None:
    """Write a table in the format that the name ends in.

    `typeset` is the table for documents, LaTeX and Markdown, if that is another one; they begin with the title, LaTeX
    as a comment. Raises `InputError` if the file cannot be written.
    """
    require_table_name(path)
    document = table if typeset is None else typeset
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            table.to_parquet(path, index=False)
        elif path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            lines = [f"% {title}", *latex(document)] if path.suffix == ".tex" else [title, "", *markdown(document)]
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise InputError(f"to = {path}: cannot be written ({error.strerror}); name another file") from error
