"""Measures of the time that a function takes."""

import time
from collections.abc import Callable

from tests.benchmarks.support.benchmark import Measure

SHORTEST_S = 0.02  # a shorter measurement would mostly depend on caches that are cold after the peer's turn


def seconds(work: Callable[[], object]) -> Measure:
    """Return a measure of the seconds that `work` takes.

    It is the average over as many calls as fill `SHORTEST_S`.
    """

    def measure() -> float:
        calls, taken_s, start_s = 0, 0.0, time.perf_counter()
        while taken_s < SHORTEST_S:
            work()
            calls, taken_s = calls + 1, time.perf_counter() - start_s
        return taken_s / calls

    return measure


def rate(work: Callable[[], object], count: int) -> Measure:
    """Return a measure of jobs per second.

    A call of `work` does `count` jobs.
    """
    duration = seconds(work)
    return lambda: count / duration()
