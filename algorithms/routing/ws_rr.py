"""WS-RR, the waiting-penalized shortest-path request routing of BPRR: two estimates of the wait at a server."""

import numpy as np

from system.code.compiler import compiled
from system.routing import DELAY


@compiled(DELAY)
def expected_wait(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return the least remaining time after which `blocks` slots are unreserved.

    It is the order statistic of BPRR Sec. 3.3.2 over the ends of the listed jobs.
    """
    room = unreserved
    if room >= blocks:
        return 0.0
    for r in range(first, last):
        room += slots[r]
        if room >= blocks:
            return max(end_s[r] - now_s, 0.0)
    return np.inf


@compiled(DELAY)
def mean_over_present(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return `settings[server]` seconds, shared among the listed jobs, if too few slots are unreserved.

    The authors' simulator guesses the wait so, with the mean time of a job that runs all blocks of the server.
    """
    return 0.0 if unreserved >= blocks else settings[server] / max(last - first, 1)
