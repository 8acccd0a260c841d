"""Verification of recomputed rows against committed reference rows.

The recomputed rows must be those of the reference, with the same status and number of draws. Means must agree to 1e-6
relative, in addition to the rounding of the reference to six digits. On another platform than that of the reference
(Python, packages, processor) the last digit of a random number may differ, and with it the rest of a simulated run.
Then simulated means must agree within the half-width of the reference's interval.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from store.disk.provenance import current_provenance
from store.disk.store import words_of
from store.tables.reading import axes_of, load_records, with_numbers
from store.tables.reference import DIGITS, platform_of, provenance_in, reference_parts, reference_rows
from store.tables.statistics import shown
from system.checks import require
from system.errors import InputError

RELATIVE = 1e-6


class Verification(NamedTuple):
    """Comparison of an experiment with its reference.

    `rows` has a row for each row of either; its column `wrong` says how they disagree, if they do.
    """

    experiment: str
    same_platform: bool
    rows: pd.DataFrame

    @property
    def wrong(self) -> pd.DataFrame:
        """Return the rows that disagree."""
        return self.rows[self.rows["wrong"] != ""]

    def __str__(self) -> str:
        """Return how much was compared, the largest difference, and each row that disagrees."""
        summary = f"{self.experiment:22} {len(self.rows):5} rows compared, {len(self.wrong)} disagree"
        summary += "" if self.same_platform else "; on another platform than the reference's"
        if self.rows["difference"].notna().any():
            worst = self.rows.nlargest(1, "difference").iloc[0]
            summary += f"; the means differ by at most {worst['difference']:.1e} relative, at {worst['key']}"
        return "\n".join([summary, *(f"    {row['key']}: {row['wrong']}" for _, row in self.wrong.iterrows())])


def verify_all(store: Path, experiments: Sequence[str], folder: Path) -> tuple[str, bool]:
    """Return a text that compares each experiment with its reference, and whether all agree."""
    require(bool(experiments), "store", store, "it holds nothing to verify; run the experiments first")
    results = [verify(store, name, folder) for name in experiments]
    return "".join(f"{result}\n" for result in results), all(result.wrong.empty for result in results)


def verify(store: Path, experiment: str, folder: Path) -> Verification:
    """Compare an experiment in the store with its reference rows.

    Points that the experiment's own file declares are compared with the rows of its name, others with those of its own
    points. Raises `InputError` if there are no reference rows.
    """
    parts, records = reference_parts(store, experiment), load_records(experiment, store)
    remedy = f"other code or data computed all its points; run `python run.py -m {words_of(experiment)}` again"
    require(bool(parts), "experiment", experiment, remedy)
    same_platform = all(_same_platform(folder, name) for name in parts)
    compared = []
    for name, (rows, points) in parts.items():
        axes = axes_of(points)
        texts = dict.fromkeys([*axes, "metric", "status"], str)
        expected = with_numbers(pd.read_csv(folder / f"{name}.csv", dtype=texts), axes)
        recomputed = reference_rows(rows, points).merge(_simulated(records, points, axes), on=axes)
        compared.append(_compared(expected, recomputed, axes, same_platform))
    return Verification(experiment, same_platform, pd.concat(compared, ignore_index=True))


def _simulated(records: dict[str, list[dict[str, Any]]], points: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """Return by axes whether rows of each point are simulated.

    Records of older code do not say so; their means get no tolerance.
    """
    simulated = [any(record.get("simulated", False) for record in records[point]) for point in points["point"]]
    return points[axes].assign(simulated=simulated)


def _same_platform(folder: Path, name: str) -> bool:
    """Return whether reference rows are of this platform.

    Raises `InputError` if there are none.
    """
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"experiment = {name}: no reference rows {path}; write them with `python plot.py --rows`")
    made = provenance_in(folder).get(name, {})
    return bool(made.get("platforms") == [platform_of(current_provenance())])


def _compared(expected: pd.DataFrame, recomputed: pd.DataFrame, axes: list[str], same_platform: bool) -> pd.DataFrame:
    both = _keyed(expected, axes).merge(_keyed(recomputed, axes), on="key", how="outer", suffixes=("_was", ""))
    difference = (both["mean"] - both["mean_was"]).abs()
    allowed = RELATIVE * both["mean"].abs() + _rounding(both["mean_was"].to_numpy(float))
    noisy = both["simulated"].eq(True) & (not same_platform)
    allowed += both["half_width_was"].fillna(0.0).where(noisy, 0.0)
    moved = (difference > allowed) | (both["mean"].isna() != both["mean_was"].isna())
    wrong = [_wrong(row, bool(apart)) for (_, row), apart in zip(both.iterrows(), moved, strict=True)]
    scale = both["mean_was"].abs().where(both["mean_was"] != 0, 1.0)
    return pd.DataFrame({"key": both["key"], "difference": difference / scale, "wrong": wrong})


def _keyed(table: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """Return the table with one readable text in place of axes, metric and coordinate.

    Raises `InputError` if two rows have the same text, as it would not say which rows to compare.
    """
    suffixes = table["at"].map(lambda value: "" if pd.isna(value) else f" at {value:.{DIGITS}g}")
    named = [table[axis].map(lambda value, axis=axis: f"{axis}={shown(value)}") for axis in axes]
    columns = zip(*named, table["metric"].fillna("") + suffixes, strict=True)
    keys = [", ".join(filter(None, values)) for values in columns]
    keyed = table.drop(columns=[*axes, "metric", "at"]).assign(key=keys)
    twice = keyed.loc[keyed["key"].duplicated(), "key"]
    require(twice.empty, "rows", ", ".join(twice[:1]), "several points have these values; show what tells them apart")
    return keyed


def _rounding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half a unit of the last digit of each number."""
    sizes = np.abs(np.where(np.isfinite(values) & (values != 0), values, 1.0))
    return 0.5 * 10 ** (np.floor(np.log10(sizes)) + 1 - DIGITS)


def _wrong(row: pd.Series, moved: bool) -> str:
    """Return how a row disagrees with the reference; empty if it agrees."""
    if pd.isna(row["status"]) or pd.isna(row["status_was"]):
        return "not recomputed" if pd.isna(row["status"]) else "not in the reference"
    if row["status"] != row["status_was"]:
        return f"{row['status']}, was {row['status_was']}"
    if row["draws"] != row["draws_was"]:
        return f"{row['draws']:g} draws, was {row['draws_was']:g}"
    return f"{row['mean']:.{DIGITS}g}, was {row['mean_was']:.{DIGITS}g}" if moved else ""
