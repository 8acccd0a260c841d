"""Shapley values: how much of a difference is due to each of several choices, whatever their order."""

from collections.abc import Hashable, Mapping
from itertools import combinations
from math import comb
from typing import TypeVar

Choice = TypeVar("Choice", bound=Hashable)


def shapley_shares(values: Mapping[frozenset[Choice], float]) -> dict[Choice, float]:
    """Return each choice's share in what all choices add.

    That is the value of all choices less that of none. `values` has the value of every set of choices. A share is the
    mean, over all orders of making the choices, of what a choice adds [Shapley 1953]. The shares add up to the
    difference.
    """
    choices = max(values, key=len)
    others = {choice: choices - {choice} for choice in choices}
    return {choice: _mean_addition(choice, others[choice], values) for choice in choices}


def _mean_addition(choice: Choice, others: frozenset[Choice], values: Mapping[frozenset[Choice], float]) -> float:
    """Return what a choice adds on average.

    The average is over the number of choices before it, and over the sets of so many.
    """
    return sum(
        (values[frozenset(before) | {choice}] - values[frozenset(before)]) / comb(len(others), count)
        for count in range(len(others) + 1)
        for before in combinations(others, count)
    ) / (len(others) + 1)
