"""PETALS' view of a server without room: 10 s more if the cache of all the blocks it hosts would not fit."""

from system.code.compiler import compiled
from system.routing import DELAY


@compiled(DELAY)
def no_cache_penalty(blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """`settings[0]` seconds where fewer slots are free than the server hosts blocks, however few the job needs."""
    return settings[0] if free < hosted else 0.0
