"""SA-JSQ, speed-aware join the shortest queue.

Queues are measured as in JSQ. Jobs do not change queues later.
"""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch

TIE = 1e-9


@compiled(DISPATCH)
def sa_jsq(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the chain with the shortest queue, the fastest of equals."""
    shortest, best = 1e300, -1
    for k in range(capacity.size):
        excess = max(busy[k] + queued[k] - capacity[k] + 1, 0) / capacity[k]
        if excess < shortest - TIE:
            shortest, best = excess, k
    return best


SA_JSQ = Dispatch(sa_jsq, work_conserving=False, deterministic=True)
