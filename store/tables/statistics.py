"""Confidence intervals from draws and replications."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from system.checks import float_vector, require
from system.errors import InputError
from system.intervals import half_width, half_width_of
from system.words import counted

AVERAGED = ("draw", "replication", "value")
MOST_NAMED = 4  # values in an error
MOST_COORDINATES = 40  # a metric with more of them is a curve: figures show it, cards and reference rows do not


class PoolingError(InputError):
    """Error for rows of different configurations that would become one mean."""

    def __init__(self, columns: Sequence[str], values: str) -> None:
        """Keep the columns in which the rows differ."""
        super().__init__(f"{values}: a mean is only over draws and replications; keep one value or show each by itself")
        self.columns, self.values = list(columns), values

    def __reduce__(self) -> tuple[type["PoolingError"], tuple[list[str], str]]:
        """Return what another process makes the same error of."""
        return PoolingError, (self.columns, self.values)


class Interval(NamedTuple):
    """A mean and the half-width of its confidence interval; the half-width of a single value is nan."""

    mean: float
    half_width: float
    size: int  # number of values


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Student's interval for the mean of independent values, one from each draw."""
    sample = float_vector("values", values, -np.inf)
    require(sample.size > 0, "values", "[]", "a mean needs at least one value")
    return Interval(float(sample.mean()), half_width_of(sample, confidence), sample.size)


def p_value(values: ArrayLike) -> float:
    """Return Student's two-sided p-value for a mean of 0.

    It is below 5 % where `mean_interval` leaves out 0, 1 where all values are 0, and nan for a single value.
    """
    sample = float_vector("values", values, -np.inf)
    if sample.size < 2 or not sample.any():
        return 1.0 if sample.size > 1 else np.nan
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    return float(2 * stdtr(sample.size - 1, -abs(sample.mean()) / error)) if error > 0 else 0.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's adjusted p-values of a family of tests.

    Values that are nan are no part of it. To reject where they are at most 5 % gives any false rejection with a
    probability of at most 5 %, however the tests depend on each other [Holm 1979].
    """
    adjusted = np.array(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(adjusted))
    order = known[np.argsort(adjusted[known])]
    scaled = adjusted[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def intervals_over_draws(rows: pd.DataFrame, keys: Sequence[str], confidence: float = 0.95) -> pd.DataFrame:
    """Return `mean`, `half_width` and number of `draws` by these columns.

    The interval is that of `mean_interval`. The replications of a draw are averaged first, as they share its cluster
    and are not independent of each other. Raises `PoolingError` as `by_draw` does.
    """
    means = by_draw(rows, keys).groupby(list(keys), dropna=False, sort=True)["value"]
    table = means.agg(["mean", "std", "count"]).reset_index()
    half_widths = half_width(table["std"], table["count"], confidence)
    return table[list(keys)].assign(mean=table["mean"], half_width=half_widths, draws=table["count"])


def complete_means(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return `intervals_over_draws` without means that lack a draw of their point."""
    table = intervals_over_draws(rows, keys)
    wanted = rows[[*keys, "draws", "status"]].drop_duplicates(list(keys))
    both = table.merge(wanted, on=list(keys), suffixes=("", "_wanted"))
    return both.loc[(both["draws"] == both["draws_wanted"]) & (both["status"] == "ok"), list(table)]


def by_draw(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the mean over replications in each draw, by these columns.

    All means in tables, figures and claims come from here. Raises `PoolingError` if the keys do not identify a row: if
    rows with equal keys differ in another column than `draw`, `replication` and `value`, or come twice.
    """
    require_one_configuration(rows, keys)
    return rows.groupby([*keys, "draw"], dropna=False)["value"].mean().reset_index()


def require_one_configuration(rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise `PoolingError` unless equal keys mean the same configuration."""
    others = [str(column) for column in rows if column not in (*keys, *AVERAGED)]
    groups = rows[list(keys)].drop_duplicates()
    if len(rows[[*keys, *others]].drop_duplicates()) > max(len(groups), 1):
        differing = [column for column in others if len(rows[[*keys, column]].drop_duplicates()) > max(len(groups), 1)]
        named = [column for column in differing if column != "point"] or differing
        raise PoolingError(named, "; ".join(_values(rows, keys, column) for column in named))
    cells = rows[[column for column in (*keys, "draw", "replication") if column in rows]]
    if cells.duplicated().any():
        raise PoolingError([], f"rows: {counted(int(cells.duplicated().sum()), 'row')} come twice")


def _values(rows: pd.DataFrame, keys: Sequence[str], column: str) -> str:
    """Return the values of a column in the first group where they differ."""
    pairs = rows[[*keys, column]].drop_duplicates()
    if keys:
        sizes = pairs.groupby(list(keys), dropna=False)[column].transform("size")
        pairs = pairs[sizes > 1]
        pairs = pairs.merge(pairs[list(keys)].iloc[:1], on=list(keys))
    return f"{column} = {', '.join(shown(value) for value in pairs[column].iloc[:MOST_NAMED])}"


def shown(value: object) -> str:
    """Return a value of an axis as people write it: 10 instead of 10.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)
