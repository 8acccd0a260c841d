"""Half-widths of confidence intervals, by Student's t for means of independent values."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from system.checks import require_share

Floats = NDArray[np.float64]

# Number of batches into which the jobs of one run are divided. Long batches, whose means are almost independent, matter
# more than many batches.
BATCHES = 20


def half_width(deviation: ArrayLike, count: ArrayLike, confidence: float = 0.95) -> Floats:
    """Return half-widths from sample standard deviations and numbers of values.

    The standard deviations divide by n - 1. The half-width for a single value is NaN.
    """
    require_share(confidence=confidence)
    number = np.asarray(count)
    quantile = stdtrit(np.maximum(number - 1, 1), (1 + confidence) / 2)
    return np.where(number > 1, quantile * np.asarray(deviation) / np.sqrt(number), np.nan)


def half_width_of(values: ArrayLike, confidence: float = 0.95) -> float:
    """Return the half-width for the mean of independent values (n,).

    It is NaN for a single value.
    """
    sample = np.asarray(values, dtype=float)
    deviation = sample.std(ddof=1) if sample.size > 1 else np.nan
    return float(half_width(deviation, sample.size, confidence))


def half_width_of_batches(sums: Floats, counts: Floats, confidence: float = 0.95) -> float:
    """Return the half-width for a mean from the sums and counts of n batches."""
    mean = sums.sum() / counts.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.sqrt(np.sum((sums - mean * counts) ** 2) / (sums.size - 1))
    return float(half_width(deviation, sums.size, confidence)) * sums.size / float(counts.sum())
