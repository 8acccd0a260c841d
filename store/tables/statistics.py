"""Confidence intervals from draws and replications."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from system.checks import float_vector, require
from system.intervals import half_width, half_width_of

MOST_COORDINATES = 40  # a metric with more of them is a curve: figures show it, cards and reference rows do not


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


def intervals_over_draws(rows: pd.DataFrame, keys: list[str], confidence: float = 0.95) -> pd.DataFrame:
    """Return `mean`, `half_width` and number of `draws` by these columns.

    The interval is that of `mean_interval`. The replications of a draw are averaged first, as they share its cluster
    and are not independent of each other.
    """
    by_draw = rows.groupby([*keys, "draw"], dropna=False, as_index=False)["value"].mean()
    table = by_draw.groupby(keys, dropna=False)["value"].agg(["mean", "std", "count"]).reset_index()
    half_widths = half_width(table["std"], table["count"], confidence)
    return table[keys].assign(mean=table["mean"], half_width=half_widths, draws=table["count"])
