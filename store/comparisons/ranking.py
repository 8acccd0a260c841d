"""Ranking of several values of an axis over all combinations of the other axes.

Only draws are independent of each other, as all combinations share their clusters. So each draw ranks the values in
every combination, and its mean ranks are one block of Friedman's test and of Nemenyi's critical difference
[Demsar 2006, Statistical comparisons of classifiers over multiple data sets, section 3.2.2]. Mean ranks vary less than
the ranks of one combination, for which both were made, so they err on the side of caution.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from store.comparisons.pairs import Side
from store.tables.statistics import holm, p_value

SIGNIFICANCE = 0.05
FIXED = -1  # the number of the only draw where nothing varies between draws


class Ranking(NamedTuple):
    """Values of an axis in the order of their mean ranks.

    The table has for each value the `mean_rank`; in how many combinations it is `best`, or `not_worse`, as no other
    value is better at 5 %; and whether its mean rank is `near_first`, less than the critical difference from the first.
    """

    table: pd.DataFrame
    best: str  # smallest or largest
    cell_count: int  # combinations in which all values have results
    tested_count: int  # combinations among them with two draws or more
    skipped_count: int  # combinations of which a point has no result
    draw_count: int  # draws that all these combinations have
    p: float  # of Friedman's test that all values are alike; nan for a single draw
    critical_difference: float  # of mean ranks, at 5 %; nan for a single draw


def rank_values(cells: Sequence[Sequence[Side]], values: Sequence[Any], best: str) -> Ranking:
    """Rank values of an axis over combinations of others.

    `cells` are the sides of the values in each combination.
    """
    whole = [cell for cell in cells if not any(side.reason for side in cell)]
    results = [_common_draws(cell) for cell in whole]
    results = [-result if best == "largest" else result for result in results if len(result)]
    tested = [result for result in results if len(result) > 1]
    ranks = _mean_ranks(results) if results else np.empty((0, len(values)))
    mean_rank = ranks.mean(axis=0) if len(ranks) else np.full(len(values), np.nan)
    p, critical_difference = friedman(ranks) if len(ranks) > 1 else (np.nan, np.nan)
    table = pd.DataFrame(
        {
            "mean_rank": mean_rank,
            "best": _total([_is_best(result) for result in results], len(values)),
            "not_worse": _total([_is_not_worse(result) for result in tested], len(values)),
            "near_first": mean_rank - mean_rank.min() < critical_difference,
        }
    )
    table.insert(0, "value", list(values))
    counts = len(results), len(tested), len(cells) - len(results), len(ranks)
    return Ranking(table.sort_values("mean_rank", ignore_index=True), best, *counts, p, critical_difference)


def friedman(ranks: np.ndarray) -> tuple[float, float]:
    """Return Friedman's p-value and Nemenyi's critical difference of ranks (draws, values)."""
    from scipy.stats import studentized_range  # takes half a second, which other commands need not wait for

    draws, count = ranks.shape
    statistic = 12 * draws / (count * (count + 1)) * np.sum((ranks.mean(axis=0) - (count + 1) / 2) ** 2)
    spread = studentized_range.ppf(1 - SIGNIFICANCE, count, np.inf) * np.sqrt(count * (count + 1) / (12 * draws))
    return float(chdtrc(count - 1, statistic)), float(spread)


def _common_draws(cell: Sequence[Side]) -> pd.DataFrame:
    """Return (draws, values) results of the common draws.

    Where nothing varies between draws, one draw has the number `FIXED`.
    """
    varying = next((side for side in cell if side.varies), None)
    if varying is None:
        return pd.DataFrame([[side.by_draw.iloc[0] for side in cell]], index=[FIXED])
    columns = [side.in_draws_of(varying).by_draw for side in cell]
    return pd.concat(columns, axis=1, join="inner", keys=range(len(columns)))


def _mean_ranks(results: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return (draws, values) mean ranks in the common draws."""
    ranks = [result.rank(axis=1) for result in results]
    varying = [set(rank.index) for rank in ranks if FIXED not in rank.index]
    common = sorted(set.intersection(*varying)) if varying else [FIXED]
    in_draws = [rank.loc[[FIXED] * len(common) if FIXED in rank.index else common] for rank in ranks]
    return np.mean([rank.to_numpy() for rank in in_draws], axis=0)


def _is_best(result: pd.DataFrame) -> np.ndarray:
    """Return (values,) whether each value has the least mean."""
    means = result.mean().to_numpy()
    return np.asarray(means == means.min())


def _is_not_worse(result: pd.DataFrame) -> np.ndarray:
    """Return (values,) whether no other value is better, by Holm's p-values."""
    values = result.to_numpy()
    pairs = np.transpose(np.triu_indices(values.shape[1], k=1))
    differences = [values[:, j] - values[:, i] for i, j in pairs]
    adjusted = holm([p_value(difference) for difference in differences])
    worse = [
        (j if difference.mean() > 0 else i)
        for (i, j), difference, p in zip(pairs, differences, adjusted, strict=True)
        if p < SIGNIFICANCE
    ]
    return ~np.isin(np.arange(values.shape[1]), worse)


def _total(flags: Sequence[np.ndarray], count: int) -> np.ndarray:
    return np.sum(flags, axis=0, dtype=int) if flags else np.zeros(count, int)
