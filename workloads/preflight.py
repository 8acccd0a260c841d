"""Statistics that show how far arrival times are from Poisson, before they are used (paper Fig. 7a, claim C8)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from system.checks import float_vector, require, require_count, require_positive


@dataclass(frozen=True)
class Preflight:
    """Statistics of the arrival times of a workload.

    A gap is an inter-arrival time; standard deviations are those of a sample. For a Poisson process `gap_cv` and
    `index_of_dispersion` are 1. None stands for what cannot be computed: the rate without long gaps where every gap is
    long, the index of dispersion with fewer than two windows or without arrivals, and the share of over-long requests
    where the caller does not give it.
    """

    request_count: int
    span_s: float
    rate_per_s: float
    rate_without_long_gaps_per_s: float | None
    mean_gap_s: float
    std_gap_s: float
    gap_cv: float  # std over mean
    index_of_dispersion: float | None  # variance over mean of the counts in whole windows of window_s
    window_s: float
    longest_gap_s: float
    long_gap_s: float  # a gap above this is long
    long_gap_count: int
    over_length_share: float | None


def preflight_facts(
    arrival_s: ArrayLike, long_gap_s: float = 10.0, window_s: float = 60.0, over_length_share: float | None = None
) -> Preflight:
    """Compute the statistics of arrival times in ascending order.

    Raises `InputError` unless there are at least three that are not all at one instant.
    """
    require_positive(long_gap_s=long_gap_s, window_s=window_s)
    arrivals = _checked(arrival_s)
    gaps = np.diff(arrivals)
    short = gaps[gaps <= long_gap_s]
    mean, std = float(gaps.mean()), float(gaps.std(ddof=1))
    return Preflight(
        request_count=arrivals.size,
        span_s=float(arrivals[-1] - arrivals[0]),
        rate_per_s=1 / mean,
        rate_without_long_gaps_per_s=float(1 / short.mean()) if short.sum() > 0 else None,
        mean_gap_s=mean,
        std_gap_s=std,
        gap_cv=std / mean,
        index_of_dispersion=_index_of_dispersion(arrivals, window_s),
        window_s=window_s,
        longest_gap_s=float(gaps.max()),
        long_gap_s=long_gap_s,
        long_gap_count=gaps.size - short.size,
        over_length_share=over_length_share,
    )


def empirical_cdf(values: ArrayLike, points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return at most `points` points (x, F(x)) of the empirical distribution.

    They are evenly spaced in F and include both ends.
    """
    require_count(points=points)
    ascending = np.sort(_not_empty(values))
    count = ascending.size
    ranks = np.rint(np.linspace(0, count - 1, min(points, count))).astype(np.int64)
    x = np.unique(ascending[ranks])
    return x, np.searchsorted(ascending, x, side="right") / count


def exponential_distance(values: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance to the exponential of the same mean."""
    sample = _not_empty(values)
    require(sample.mean() > 0, "values", "all 0", "must have a mean above 0")
    return float(stats.kstest(sample, stats.expon(scale=sample.mean()).cdf).statistic)


def _checked(arrival_s: ArrayLike) -> NDArray[np.float64]:
    arrivals = float_vector("arrival_s", arrival_s, minimum=-np.inf)
    require(arrivals.size >= 3, "arrival_s", f"array of size {arrivals.size}", "give at least 3 arrival times")
    require(bool((np.diff(arrivals) >= 0).all()), "arrival_s", "times out of order", "must ascend; sort them")
    require(arrivals[-1] > arrivals[0], "arrival_s", "all at one instant", "must span some time")
    return arrivals


def _not_empty(values: ArrayLike) -> NDArray[np.float64]:
    sample = float_vector("values", values)
    require(sample.size > 0, "values", "[]", "give at least one value")
    return sample


def _index_of_dispersion(arrivals: NDArray[np.float64], window_s: float) -> float | None:
    """Return variance over mean of the arrival counts in whole windows.

    The windows begin at the first arrival, which itself is not counted.
    """
    after_s = arrivals[1:] - arrivals[0]
    windows = int(after_s[-1] // window_s)
    window = (after_s // window_s).astype(np.int64)
    # Only windows with arrivals are counted one by one, as a sparse trace may span millions of windows.
    counts = np.unique(window[window < windows], return_counts=True)[1]
    if windows < 2 or counts.size == 0:
        return None
    mean = counts.sum() / windows
    variance = (np.square(counts - mean).sum() + (windows - counts.size) * mean**2) / (windows - 1)
    return float(variance / mean)
