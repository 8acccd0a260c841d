"""SED, shortest expected delay: the least 1/μ + (jobs - capacity + 1)^+ / (μ capacity), ties to the fastest chain.

It may queue a job at a fast full chain while a slow one has room.
"""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def sed(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    least, best = 1e300, -1
    for k in range(capacity.size):
        excess = max(busy[k] + queued[k] - capacity[k] + 1, 0) / capacity[k]
        delay = (1 + excess) / rate_per_s[k]
        if delay < least:
            least, best = delay, k
    return best


SED = Dispatch(sed, work_conserving=False)
