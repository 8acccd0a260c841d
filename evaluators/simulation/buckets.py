"""A histogram of positive numbers that gives any quantile with a bounded relative error.

A bucket holds the numbers whose floating-point representations have the same exponent and the same first 10 bits of the
mantissa (the buckets of HdrHistogram). So its width is at most 2^-10 of its lower end, and one shift of a number's bits
gives its bucket. The middle of a bucket is within `RELATIVE_ERROR` of every number in it.
"""

import numpy as np
from numba import int64
from numpy.typing import NDArray

from system.code.compiler import compiled

MANTISSA_BITS = 10
RELATIVE_ERROR = 2.0 ** -(MANTISSA_BITS + 1)
_SHIFT = 52 - MANTISSA_BITS
_BUCKETS = 0x7FF << MANTISSA_BITS  # buckets below infinity


class Buckets:
    """Counts of finite numbers that are 0 or above; zeros are exact."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self._up_to: NDArray[np.int64] | None = None  # cumulative counts, valid until more numbers are added

    def add(self, values: NDArray[np.float64]) -> None:
        """Add (n,) numbers to the counts."""
        self._up_to = None
        _count(np.ascontiguousarray(values).view(np.int64), self._counts)

    def quantiles(self, shares: tuple[float, ...]) -> list[float]:
        """Return quantiles within `RELATIVE_ERROR` of those of `numpy.quantile`.

        Like there, they are linear between order statistics.
        """
        if self._up_to is None:
            self._up_to = np.cumsum(self._counts)
        up_to = self._up_to
        if up_to[-1] == 0:
            return [float("nan")] * len(shares)
        rank = np.asarray(shares) * (up_to[-1] - 1)
        ranks = np.floor(rank), np.ceil(rank)
        below, above = (_middle(np.searchsorted(up_to, whole_rank, side="right")) for whole_rank in ranks)
        return [float(value) for value in below + (above - below) * (rank - ranks[0])]


@compiled(int64(int64[::1], int64[::1]))
def _count(bits, counts):  # type: ignore[no-untyped-def]
    for number in bits:
        counts[number >> _SHIFT] += 1
    return bits.size


def _middle(bucket: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the middle of each bucket; 0 for the first, which holds the zeros."""
    ends = [(side << _SHIFT).view(np.float64) for side in (bucket, bucket + 1)]
    return np.where(bucket == 0, 0.0, (ends[0] + ends[1]) / 2)
