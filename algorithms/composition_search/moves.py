"""Random changes of a state, compiled; each uses its own row of random numbers.

A row has five numbers that are uniform on [0, 1), and one that is normal.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from algorithms.composition_search.state import LEAST_RESERVATION
from system.code.compiler import compiled

STEP = 0.3  # standard deviation of the logarithm of a reservation's change


@compiled
def change_order_or_reservations(problem, state, row):
    """Change the order of the servers, or reservations.

    Two servers are swapped, or one moves elsewhere, or the reservations of a run of servers are scaled.
    """
    count = state.order.size
    a, b = int(row[1] * count), int(row[2] * count)
    if row[0] < 0.25:
        state.order[a], state.order[b] = state.order[b], state.order[a]
    elif row[0] < 0.5:
        _insert(state.order, a, b)
    elif row[0] < 0.85:
        _scale(problem, state, a, a, np.exp(STEP * row[5]))
    else:
        last = min(a + int(row[2] * count / 2), count - 1)
        _scale(problem, state, a, last, np.exp(STEP * row[5]))


@compiled(inline=True)
def _insert(order, a, b):
    """Move entry a to index b."""
    moved, step = order[a], 1 if b > a else -1
    while a != b:
        order[a] = order[a + step]
        a += step
    order[b] = moved


@compiled(inline=True)
def _scale(problem, state, first, last, factor):
    """Scale the reservations of a run of the order.

    A server with memory for a block still hosts one.
    """
    for i in range(first, last + 1):
        j = state.order[i]
        most = (problem.memory_gb[j] - problem.model[0]) / problem.model[1]
        state.reservation[j] = max(min(state.reservation[j] * factor, most), LEAST_RESERVATION)


@compiled
def change_range(problem, state, row):
    """Change the range of blocks of one server, or exchange those of two."""
    count, blocks = state.order.size, int(problem.model[2])
    a, b = int(row[1] * count), int(row[2] * count)
    step = (1 + int(3 * row[4] * row[4])) * (1 if row[5] > 0 else -1)
    first, length = state.first_block[a], state.block_count[a]
    if row[0] < 0.25:  # longer or shorter at its end
        length += step
    elif row[0] < 0.5:  # at its start
        first, length = first + step, length - step
    elif row[0] < 0.7:
        first += step
    elif row[0] < 0.85:  # begin where another server ends
        first = state.first_block[b] + state.block_count[b]
        first = 0 if first == blocks else first
    elif row[0] < 0.93:  # end where another server begins
        first = (state.first_block[b] if state.first_block[b] > 0 else blocks) - length
    else:
        _set_range(problem, state, b, first, length)
        first, length = state.first_block[b], state.block_count[b]
    _set_range(problem, state, a, first, length)


@compiled
def _set_range(problem, state, j, first, length):
    """Set the range of a server.

    It is cut to the server's memory and moved into the model.
    """
    blocks = int(problem.model[2])
    most = min(int(problem.memory_gb[j] / problem.model[0]), problem.most_blocks[j])
    length = max(min(length, most), 0)
    state.first_block[j], state.block_count[j] = max(min(first, blocks - length), 0), length
