"""SED, shortest expected delay.

The expected delay at chain k is 1/μ_k + (jobs - capacity + 1)^+ / (μ_k capacity). The policy may queue a job at a fast
full chain although a slow chain has room.
"""

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def sed(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the chain with the least expected delay, the fastest of equals."""
    least, best = 1e300, -1
    for k in range(capacity.size):
        excess = max(busy[k] + queued[k] - capacity[k] + 1, 0) / capacity[k]
        delay = (1 + excess) / rate_per_s[k]
        if delay < least:
            least, best = delay, k
    return best


SED = Dispatch(sed, work_conserving=False, deterministic=True)
