"""JFFC, join the fastest free chain (paper Alg. 3)."""

from dataclasses import replace

from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def jffc(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the fastest chain with room, or -1 for the central queue."""
    for k in range(capacity.size):
        if busy[k] < capacity[k]:
            return k
    return -1


JFFC = Dispatch(jffc, work_conserving=True, deterministic=True)
JFFC_PUBLISHED_CODE = replace(JFFC, work_conserving=False, looks="arrivals")


def is_jffc(rule: object) -> bool:
    """Return whether the rule of a layout is JFFC, called after every event."""
    return isinstance(rule, Dispatch) and rule.policy is JFFC.policy and rule.looks == JFFC.looks
