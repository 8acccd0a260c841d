"""JIQ, join the idle queue."""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def jiq(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return a random chain with room, or any random chain if none has.

    Both choices are uniform.
    """
    free = 0
    for k in range(capacity.size):
        free += busy[k] < capacity[k]
    if free == 0:
        return int(uniform * capacity.size)
    pick = int(uniform * free)
    for k in range(capacity.size):
        if busy[k] < capacity[k]:
            if pick == 0:
                return k
            pick -= 1
    return -1


JIQ = Dispatch(jiq, work_conserving=False)
