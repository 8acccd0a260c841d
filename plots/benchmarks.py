"""The figure of the measurements of `make bench`.

It shows how many times as good each benchmark is as its peer or its claim, and names the machine.
"""

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.style import COLOURS, new_figure
from plots.files import save
from plots.stamps import Made
from system import InputError
from system.code.source import ROOT

BENCHMARKS = "benchmarks"  # name of the figure on the command line
TABLE = ROOT / "results" / "benchmarks.csv"
MACHINE = ("processor", "cores", "system", "python", "numba", "numpy", "commit")
COLUMNS = ("name", "measures", "unit", "median", "peer", "ratio", "claim", "met", *MACHINE)
WIDTH_IN, AROUND_IN, ROW_IN = 14, 2.2, 0.33  # a row is high enough for a label of two lines
LABEL_WIDTH = 100  # characters
# The look of a benchmark whose claim is met or not met, or which has no claim.
LOOKS: dict[str, dict[str, Any]] = {
    "yes": {"color": COLOURS[0], "marker": "o"},
    "no": {"color": COLOURS[3], "marker": "X", "markersize": 9},
    "none": {"color": "0.5", "marker": "o", "markerfacecolor": "none"},
}
MEANINGS = {"yes": "claim met", "no": "claim NOT met", "none": "nothing claimed"}
CLAIM_LOOK: dict[str, Any] = {
    "color": "black",
    "marker": "|",
    "markersize": 11,
    "markeredgewidth": 2,
    "linestyle": "none",
}


def write_benchmarks(folder: Path, path: Path = TABLE) -> Made:
    """Draw the committed table and save it in every format.

    The outcome says how many claims are met. Raises `InputError` if the table or one of its columns is missing.
    """
    table = read_table(path)
    return Made(verdict(table), save(draw(table), BENCHMARKS, folder))


def read_table(path: Path) -> pd.DataFrame:
    """Return the table that `make bench` writes.

    It has a row for each benchmark. Raises `InputError` if the file is missing, is not a table, has no row or lacks a
    column.
    """
    if not path.is_file():
        raise InputError(f"benchmarks = {path}: does not exist; run `make bench` to write it")
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(("peer", "claim", "met"), str)).fillna({"met": "none"})
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(
            f"benchmarks = {path}: is not a table ({error}); run `make bench` to write it again"
        ) from error
    missing = [column for column in COLUMNS if column not in table]
    if missing or table.empty:
        columns = "columns" if len(missing) > 1 else "column"
        lacking = f"lacks the {columns} {', '.join(missing)}" if missing else "has no rows"
        raise InputError(f"benchmarks = {path}: {lacking}; run `make bench` to write it again")
    return table


def draw(table: pd.DataFrame) -> Figure:
    """Draw ratios to peers above, medians relative to claims below."""
    of_median = table["peer"].isna() | ~table["claim"].str.endswith("times the peer", na=True)
    heights = [max(1, (~of_median).sum()), max(1, of_median.sum())]
    figure, (above, below) = new_figure(lines=2, heights=heights, size_in=(WIDTH_IN, AROUND_IN + ROW_IN * sum(heights)))
    _draw_ratios(above, table[~of_median].reset_index())
    _draw_medians(below, table[of_median].reset_index())
    for met, meaning in MEANINGS.items():
        below.plot([], [], linestyle="none", label=meaning, **LOOKS[met])
    below.plot([], [], label="the claim", **CLAIM_LOOK)
    figure.legend(*below.get_legend_handles_labels(), loc="outside upper center", ncols=4, title=verdict(table))
    figure.supxlabel(machine(table), fontsize="small", color="0.3")
    return figure


def _draw_ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw ratios to peers, with ticks at the claimed ratios."""
    labels = [f"{row.name} beside {row.peer}: {row.measures}" for row in rows.itertuples()]
    texts = [f"{ratio:.3g}" for ratio in rows["ratio"]]
    _draw_lines(axes, rows, labels, rows["ratio"], _claimed(rows), texts)
    axes.set(title="beside peers in the same run", xlabel="times as good as the peer, in jobs/s or (s)")


def _draw_medians(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw medians relative to their claims, which stand at 1.

    A benchmark without a claim has its numbers only.
    """
    labels = [f"{row.name}: {row.measures}" for row in rows.itertuples()]
    claimed = _claimed(rows)
    at_least = rows["claim"].str.startswith(">=", na=False)
    margin = (rows["median"] / claimed).where(at_least, claimed / rows["median"])
    texts = [f"{row.median:.3g} {row.unit}" for row in rows[["median", "unit"]].itertuples()]
    _draw_lines(axes, rows, labels, margin, claimed / claimed, texts)
    axes.set(title="medians beside their claims", xlabel="times as good as claimed, in jobs/s, (s) or GB")


def _draw_lines(
    axes: Axes, rows: pd.DataFrame, labels: list[str], values: pd.Series, claimed: pd.Series, texts: list[str]
) -> None:
    """Draw a line for each row, with value and claim.

    The first row is at the top. The number and the claim are also written beside the panel.
    """
    axes.plot(claimed, np.arange(len(rows)), **CLAIM_LOOK)
    for line, (met, value, claim) in enumerate(zip(rows["met"], values, rows["claim"], strict=True)):
        axes.plot([value], [line], linestyle="none", **LOOKS[met])
        text = texts[line] if pd.isna(claim) else f"{texts[line]}\n{claim.removesuffix(' times the peer')}"
        colour = LOOKS[met]["color"] if met == "no" else "black"
        axes.text(1.01, line, text, transform=axes.get_yaxis_transform(), va="center", fontsize="small", color=colour)
    axes.set(xscale="log", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [fill(label, LABEL_WIDTH) for label in labels], fontsize="small")


def _claimed(rows: pd.DataFrame) -> pd.Series:
    """Return the numbers in claims, such as 60 in ">= 60 times the peer"."""
    return rows["claim"].str.split().str[1].astype(float)


def verdict(table: pd.DataFrame) -> str:
    """Return how many claims are met, in words."""
    counts = table["met"].value_counts()
    return f"{counts.get('yes', 0)} of {counts.get('yes', 0) + counts.get('no', 0)} claims met"


def machine(table: pd.DataFrame) -> str:
    """Return the machine and software of the measurements in words."""
    facts = table.iloc[0]
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; Python {facts['python']}, "
        f"numba {facts['numba']}, numpy {facts['numpy']}; commit {facts['commit']}"
    )
