"""JSQ, join the shortest queue.

The length of chain k's queue is measured by (jobs - capacity + 1)^+ / capacity. The measure is 0 for every chain with
room, so below saturation the policy is a uniform choice among these chains. Jobs do not change queues later.
"""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch

TIE = 1e-9


@compiled(DISPATCH)
def jsq(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the chain with the shortest queue, a random one of equals."""
    shortest = 1e300
    ties = 0
    for k in range(capacity.size):
        excess = max(busy[k] + queued[k] - capacity[k] + 1, 0) / capacity[k]
        if excess < shortest - TIE:
            shortest, ties = excess, 0
        ties += abs(excess - shortest) <= TIE
    pick = int(uniform * ties)
    for k in range(capacity.size):
        excess = max(busy[k] + queued[k] - capacity[k] + 1, 0) / capacity[k]
        if abs(excess - shortest) <= TIE:
            if pick == 0:
                return k
            pick -= 1
    return -1


JSQ = Dispatch(jsq, work_conserving=False)
