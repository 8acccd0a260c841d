"""Thresholds: use a chain only while more jobs wait than its threshold.

A job that starts on a slow chain may finish later than one that waits a moment for a fast chain. So chain k, the k-th
fastest, is used only while more than θ_k jobs wait. The thresholds are 0 for the fastest chain and never descend. With
θ = 0 for all chains the policy is JFFC. `dispatch=thresholds` takes the thresholds with the least exact mean response
time for the chains and the arrival rate of the layout.
"""

from collections.abc import Callable

from numpy.typing import ArrayLike

from system import Composition
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def thresholds(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the fastest chain with room, or -1 below its threshold.

    `settings` are the thresholds, ascending. `waiting` counts the job at the head, too, so a job that finds an empty
    queue starts on a chain with θ = 0. If the fastest chain with room may not be used, no slower one may.
    """
    for k in range(capacity.size):
        if busy[k] < capacity[k]:
            return k if waiting > settings[k] else -1
    return -1


def thresholds_dispatch(settings_of: Callable[[Composition], ArrayLike]) -> Dispatch:
    """Return the policy with the thresholds of each layout.

    `settings_of` returns (K,) thresholds for the chains of a layout.
    """
    return Dispatch(thresholds, work_conserving=False, deterministic=True, settings_of=settings_of)


def is_thresholds(rule: object) -> bool:
    """Return whether a rule is this policy, called after every event."""
    return isinstance(rule, Dispatch) and rule.policy is thresholds and rule.looks == "events"
