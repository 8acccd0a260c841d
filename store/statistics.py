"""Intervals from draws and replications."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from system.checks import float_vector, require, require_share


class Interval(NamedTuple):
    """A mean and the half-width of its confidence interval; the half-width of a single value is not known (nan)."""

    mean: float
    half_width: float
    size: int  # values that went in


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of independent values, such as one number from each draw."""
    sample = float_vector("values", values, -np.inf)
    require(sample.size > 0, "values", "[]", "a mean needs at least one value")
    require_share(confidence=confidence)
    if sample.size == 1:
        return Interval(float(sample[0]), float("nan"), 1)
    standard_error = sample.std(ddof=1) / np.sqrt(sample.size)
    quantile = stdtrit(sample.size - 1, (1 + confidence) / 2)
    return Interval(float(sample.mean()), float(quantile * standard_error), sample.size)


def intervals_over_draws(rows: pd.DataFrame, keys: list[str], confidence: float = 0.95) -> pd.DataFrame:
    """`mean`, `half_width` and number of `draws` by these columns, as `mean_interval` has them.

    The replications of a draw are first averaged: they share its cluster and are not independent of each other.
    """
    by_draw = rows.groupby([*keys, "draw"], dropna=False, as_index=False)["value"].mean()
    table = by_draw.groupby(keys, dropna=False)["value"].agg(["mean", "std", "count"]).reset_index()
    quantile = stdtrit(np.maximum(table["count"] - 1, 1), (1 + confidence) / 2)
    half_width = quantile * table["std"] / np.sqrt(table["count"])
    return table[keys].assign(mean=table["mean"], half_width=half_width, draws=table["count"])
