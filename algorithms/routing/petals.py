"""The delay of PETALS: a penalty for servers that lack free cache for all of their blocks."""

from system.code.compiler import compiled
from system.routing import DELAY


@compiled(DELAY)
def no_cache_penalty(blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return `settings[0]` seconds if fewer slots are free than blocks are hosted.

    The number of blocks that the job needs does not matter. PETALS' penalty is 10 s.
    """
    return settings[0] if free < hosted else 0.0
