"""Clocks around a function."""

import time
from collections.abc import Callable

from tests.benchmarks.benchmark import Measure


def seconds(work: Callable[[], object]) -> Measure:
    """Measures how long `work` takes."""

    def measure() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return measure


def rate(work: Callable[[], object], count: int) -> Measure:
    """Measures how many of its `count` jobs `work` does in a second."""
    duration = seconds(work)
    return lambda: count / duration()
