"""Clocks around a function."""

import time
from collections.abc import Callable

from tests.benchmarks.support.benchmark import Measure

SHORTEST_S = 0.02  # below, a measure tells how cold the caches are after the peer's turn


def seconds(work: Callable[[], object]) -> Measure:
    """Measures how long `work` takes, on average over as many calls as fill `SHORTEST_S`."""

    def measure() -> float:
        calls, taken_s, begin = 0, 0.0, time.perf_counter()
        while taken_s < SHORTEST_S:
            work()
            calls, taken_s = calls + 1, time.perf_counter() - begin
        return taken_s / calls

    return measure


def rate(work: Callable[[], object], count: int) -> Measure:
    """Measures how many of its `count` jobs `work` does in a second."""
    duration = seconds(work)
    return lambda: count / duration()
