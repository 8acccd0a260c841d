"""The event heap of all simulators: numbers ordered by time, at one instant ascending."""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from system.code.compiler import compiled


class Heap(NamedTuple):
    """A binary heap; `size[0]` entries are in use."""

    time_s: NDArray[np.float64]
    number: NDArray[np.int64]
    size: NDArray[np.int64]  # (1,)


HEAP = types.NamedTuple((float64[::1], int64[::1], int64[::1]), Heap)


def empty_heap(room: int) -> Heap:
    """Return an empty heap with room for `room` entries."""
    return Heap(np.empty(room), np.empty(room, np.int64), np.zeros(1, np.int64))


@compiled
def _is_later(heap: Heap, index: int, time_s: float, number: int) -> bool:
    """Return whether the entry at an index comes after the entry (`time_s`, `number`)."""
    return heap.time_s[index] > time_s or (heap.time_s[index] == time_s and heap.number[index] > number)


@compiled
def push(heap: Heap, time_s: float, number: int) -> None:
    """Add an entry."""
    i = heap.size[0]
    heap.size[0] += 1
    while i > 0 and _is_later(heap, (i - 1) >> 1, time_s, number):
        parent = (i - 1) >> 1
        heap.time_s[i], heap.number[i] = heap.time_s[parent], heap.number[parent]
        i = parent
    heap.time_s[i], heap.number[i] = time_s, number


@compiled
def pop(heap: Heap) -> int:
    """Remove the earliest entry and return its number.

    The last entry takes its position at the top and sinks to where it belongs.
    """
    first = heap.number[0]
    heap.size[0] -= 1
    last = heap.size[0]
    replace_first(heap, heap.time_s[last], heap.number[last])
    return first


@compiled
def replace_first(heap: Heap, time_s: float, number: int) -> None:
    """Replace the earliest entry, which is faster than to remove it and add another."""
    size = heap.size[0]
    i, child = 0, 1
    while child < size:
        if child + 1 < size and _is_later(heap, child, heap.time_s[child + 1], heap.number[child + 1]):
            child += 1
        if _is_later(heap, child, time_s, number):
            break
        heap.time_s[i], heap.number[i] = heap.time_s[child], heap.number[child]
        i, child = child, 2 * child + 1
    heap.time_s[i], heap.number[i] = time_s, number


@compiled
def next_s(heap: Heap) -> float:
    """Return the time of the earliest entry; infinite if there is none."""
    return heap.time_s[0] if heap.size[0] > 0 else np.inf
