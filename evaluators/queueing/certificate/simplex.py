"""A primal simplex method that continues when columns are added.

A general solver starts anew each time, which takes more than nine tenths of the time of the certificate. Nothing rests
on its accuracy: bounds follow from its prices, which are made to suit all ways (`Completion`). But a programme may have
many optimal prices, so sums are taken in one order, unlike in BLAS: every machine finds the same.
"""

from math import fsum

import numpy as np

from evaluators.queueing.certificate.hosts import Floats, Ints
from system.code.compiler import compiled

PIVOTS = 50  # between two inversions of the basis
INVERSIONS = 20
TOLERANCE = 1e-9  # relative reduced cost, and least pivot


class Simplex:
    """max gains x subject to columns.T x <= limits and x >= 0."""

    def __init__(self, limits: Floats) -> None:
        rows = limits.size
        self._limits = limits
        self._basis = -1 - np.arange(rows)  # columns, or -1 - i for the slack of row i
        self._level = limits
        self._spare = np.zeros((2, rows))

    def solve(self, columns: Floats, gains: Floats) -> tuple[float, Floats]:
        """Return the optimum and the prices (rows,) of the limits.

        `columns` (n, rows) may only grow from call to call.
        """
        prices, direction = self._spare
        for _ in range(INVERSIONS):
            inverse, level = np.eye(self._limits.size), np.empty(self._limits.size)
            _invert(self._matrix(columns), inverse)
            multiply(inverse, self._limits, level)
            if _improve(columns, gains, self._basis, inverse, level, prices, direction) < PIVOTS:
                break
        self._level = level
        own = self._basis >= 0
        return fsum(gains[self._basis[own]] * level[own]), np.maximum(prices, 0.0)

    def amounts(self, count: int) -> Floats:
        """Return (n,) x of the last solution."""
        own = self._basis >= 0
        amounts = np.zeros(count)
        amounts[self._basis[own]] = self._level[own]
        return amounts

    def _matrix(self, columns: Floats) -> Floats:
        """Return the basis as a matrix, variables in columns."""
        matrix = np.zeros((self._basis.size, self._basis.size))
        for index, column in enumerate(self._basis.tolist()):
            if column >= 0:
                matrix[:, index] = columns[column]
            else:
                matrix[-1 - column, index] = 1.0
        return matrix


@compiled
def _invert(matrix: Floats, inverse: Floats) -> None:
    """Turn a unit matrix into the inverse of another one, by elimination.

    Every pivot is the largest of its column; `matrix` ends as a unit matrix.
    """
    size = len(matrix)
    for column in range(size):
        pivot = column
        for row in range(column + 1, size):
            if abs(matrix[row, column]) > abs(matrix[pivot, column]):
                pivot = row
        scale = 1 / matrix[pivot, column]
        for other in range(size):
            for both in (matrix, inverse):
                both[column, other], both[pivot, other] = both[pivot, other], both[column, other]
                both[column, other] *= scale
        for row in range(size):
            factor = matrix[row, column]
            if row != column and factor != 0:
                for other in range(size):
                    matrix[row, other] -= factor * matrix[column, other]
                    inverse[row, other] -= factor * inverse[column, other]


@compiled
def multiply(matrix: Floats, vector: Floats, product: Floats) -> None:
    """Fill in the product of a matrix and a vector, at least 0."""
    for row in range(len(matrix)):
        total = 0.0
        for column in range(vector.size):
            total += matrix[row, column] * vector[column]
        product[row] = max(total, 0.0)


@compiled
def _improve(
    columns: Floats, gains: Floats, basis: Ints, inverse: Floats, level: Floats, prices: Floats, direction: Floats
) -> int:
    """Replace basic columns until none is better; return how often.

    `PIVOTS` is the most. `inverse` and `level` are the inverse of the basis and its values; `prices` and `direction`
    (rows,) are filled in.
    """
    rows = basis.size
    for pivot in range(PIVOTS):
        for row in range(rows):
            prices[row] = 0.0
        for index in range(rows):
            if basis[index] >= 0:
                for row in range(rows):
                    prices[row] += gains[basis[index]] * inverse[index, row]
        entering = _entering(columns, gains, prices)
        if entering == -1 - rows:
            return pivot
        leaving = _leaving(columns, entering, inverse, level, direction)
        if leaving < 0:
            return pivot
        _exchange(leaving, inverse, level, direction)
        basis[leaving] = entering
    return PIVOTS


@compiled
def _entering(columns: Floats, gains: Floats, prices: Floats) -> int:
    """Return the column that gains most, relative to its gain.

    It is -1 - i for the slack of row i, and -1 - rows if none gains.
    """
    best, entering, scale = TOLERANCE, -1 - prices.size, 1e-300
    for row in range(prices.size):
        scale = max(scale, abs(prices[row]))
    for row in range(prices.size):
        if -prices[row] / scale > best:
            best, entering = -prices[row] / scale, -1 - row
    for column in range(gains.size):
        price = 0.0
        for row in range(prices.size):
            price += prices[row] * columns[column, row]
        if 1 - price / gains[column] > best:
            best, entering = 1 - price / gains[column], column
    return entering


@compiled
def _leaving(columns: Floats, entering: int, inverse: Floats, level: Floats, direction: Floats) -> int:
    """Return the basic variable that is exhausted first, or -1.

    `direction` gets how fast each falls.
    """
    leaving, least = -1, np.inf
    for index in range(level.size):
        change = 0.0
        if entering < 0:
            change = inverse[index, -1 - entering]
        else:
            for row in range(level.size):
                change += inverse[index, row] * columns[entering, row]
        direction[index] = change
        if change > TOLERANCE:
            ratio = level[index] / change
            tied = ratio <= least * (1 + TOLERANCE) and leaving >= 0 and change > direction[leaving]
            if ratio < least * (1 - TOLERANCE) or tied:
                leaving, least = index, min(ratio, least)
    return leaving


@compiled
def _exchange(leaving: int, inverse: Floats, level: Floats, direction: Floats) -> None:
    """Replace a basic variable in the inverse and the values."""
    rows = level.size
    scale = 1 / direction[leaving]
    step = level[leaving] * scale
    for row in range(rows):
        inverse[leaving, row] *= scale
    for index in range(rows):
        if index != leaving:
            level[index] = max(level[index] - step * direction[index], 0.0)
            for row in range(rows):
                inverse[index, row] -= direction[index] * inverse[leaving, row]
    level[leaving] = step
