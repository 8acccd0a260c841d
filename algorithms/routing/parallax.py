"""The delay of Parallax's router: a small time that grows with the requests at a server, and none take a full one."""

import numpy as np

from system.code.compiler import compiled
from system.routing import DELAY


@compiled(DELAY)
def load_delay(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return the last setting times the share of jobs, infinite if full.

    The most jobs of a server are `settings[server]`.
    """
    present, most = last - first, settings[server]
    return np.inf if present >= most else settings[settings.size - 1] * present / most
