"""The delay of PETALS: a penalty for servers that lack free cache, by its own test and by that of its simulation."""

from system.code.compiler import compiled
from system.routing import DELAY


@compiled(DELAY)
def no_cache_penalty(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return `settings[0]` seconds if fewer slots are free than blocks are hosted.

    The number of blocks that the job needs does not matter. PETALS' penalty is 10 s.
    """
    return settings[0] if free < hosted else 0.0


@compiled(DELAY)
def full_sessions_penalty(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return `settings[0]` seconds if at least `settings[1]` jobs are listed, whatever their slots.

    The authors' simulator does so, with the number of jobs that may run all blocks of a server at once.
    """
    return settings[0] if last - first >= settings[1] else 0.0
