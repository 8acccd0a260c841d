"""Simulated annealing of states, compiled."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from numba import boolean, float64, types

from algorithms.composition_search.decoding import set_placement, value_of
from algorithms.composition_search.moves import change_order_or_reservations, change_range
from algorithms.composition_search.state import PROBLEM, STATE, WORK
from algorithms.composition_search.values import PREFIX_VALUES
from system.code.compiler import compiled, entry

_VALUED = types.FunctionType(PREFIX_VALUES)


@compiled
def _copy(source, target):
    """Copy a state."""
    for j in range(source.order.size):
        target.order[j], target.reservation[j] = source.order[j], source.reservation[j]
        target.first_block[j], target.block_count[j] = source.first_block[j], source.block_count[j]


@compiled
def _is_same_placement(state, other):
    """Return whether two states place the same blocks."""
    for j in range(state.order.size):
        if state.first_block[j] != other.first_block[j] or state.block_count[j] != other.block_count[j]:
            return False
    return True


def _evaluate(valued, problem, state, work, is_placement):
    """Return the value of a state.

    Unless only its placement counts, the placement is made first.
    """
    if not is_placement:
        set_placement(problem, state, work)
    return value_of(valued, problem, state, work)


def _anneal(valued, problem, states, work, rows, temperatures, is_placement, values):
    """Try one change for each row of random numbers.

    A change to a value that is higher by the share x is accepted with probability exp(-x / temperature). `states` are
    the current one, room for the next, and the best one; `values` are those of the first and the last of them.
    """
    current, changed, best = states
    for n in range(rows.shape[0]):
        _copy(current, changed)
        if is_placement:
            change_range(problem, changed, rows[n])
        else:
            change_order_or_reservations(problem, changed, rows[n])
            set_placement(problem, changed, work)
        value = values[0]
        if not _is_same_placement(changed, current):
            value = value_of(valued, problem, changed, work)
        accepted = values[0] * (1 - temperatures[n] * np.log(1 - rows[n, 3]))
        if not value <= accepted:  # a value that is no number is never accepted
            continue
        _copy(changed, current)
        values[0] = value
        if value < values[1]:
            values[1] = value
            _copy(changed, best)


evaluate = entry(float64(_VALUED, PROBLEM, STATE, WORK, boolean))(_evaluate)
anneal = entry(
    types.void(
        _VALUED,
        PROBLEM,
        types.UniTuple(STATE, 3),
        WORK,
        float64[:, ::1],
        float64[::1],
        boolean,
        float64[::1],
    )
)(_anneal)
