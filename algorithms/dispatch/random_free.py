"""Uniform choice among the chains with room, the simplest work-conserving policy."""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def random_free(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return a random chain with room, or -1 for the central queue."""
    free = 0
    for k in range(capacity.size):
        free += busy[k] < capacity[k]
    pick = int(uniform * free)
    for k in range(capacity.size):
        if busy[k] < capacity[k]:
            if pick == 0:
                return k
            pick -= 1
    return -1


RANDOM_FREE = Dispatch(random_free, work_conserving=True)
