"""Whether a run is unstable: jobs leave more slowly than they come.

In the last half of the time so far, cut into windows, fewer jobs leave than a share of those that come, at 99 %
confidence (Student's quantile for 5 windows; more windows would hide a slow drift in their noise).
"""

import numpy as np
from numpy.typing import NDArray

from system.code.compiler import compiled
from system.response import JobTimes

Floats = NDArray[np.float64]

SHARE_SERVED, WINDOWS, QUANTILE = 0.99, 5, 3.746947
FEWEST_ARRIVALS = 1000


@compiled
def is_negative(surplus: Floats) -> bool:
    """Return whether jobs that left less those that had to, (WINDOWS,), are below 0 in the mean."""
    total = squares = 0.0
    for value in surplus:
        total += value
    mean = total / WINDOWS
    for value in surplus:
        squares += (value - mean) ** 2
    deviation = np.sqrt(squares / (WINDOWS - 1))
    return mean + QUANTILE * deviation / np.sqrt(WINDOWS) < 0


@compiled(creates_arrays=True)
def is_unstable(arrival_s: Floats, end_s: Floats, now_s: float) -> bool:
    """Return whether jobs leave more slowly than they come; `end_s` is infinite for jobs that have not ended."""
    half_s = now_s / 2
    surplus = np.zeros(WINDOWS)
    for i in range(arrival_s.size):
        if half_s <= arrival_s[i] < now_s:
            surplus[int((arrival_s[i] - half_s) / half_s * WINDOWS)] -= SHARE_SERVED
        if half_s <= end_s[i] < now_s:
            surplus[int((end_s[i] - half_s) / half_s * WINDOWS)] += 1
    return is_negative(surplus)


@compiled
def is_seen_unstable(arrived: int, first_look: int, arrival_s: Floats, end_s: Floats) -> bool:
    """Return whether a run is seen to be unstable just after so many arrivals.

    It is looked at after `first_look` of them (0: never), at each doubling, and at the last.
    """
    if first_look == 0:
        return False
    looks = arrived // first_look
    if arrived < arrival_s.size and (arrived % first_look != 0 or looks & (looks - 1) != 0):
        return False
    return is_unstable(arrival_s[:arrived], end_s[:arrived], arrival_s[arrived - 1])


def first_look(slots: int, blocks: int) -> int:
    """Return after how many arrivals a run may be called unstable: when the servers would have been filled ten times.

    Every job in service holds a slot for each of the model's blocks, so the slots bound how many there can be.
    """
    return max(FEWEST_ARRIVALS, 10 * (slots // blocks))


def has_been_unstable(times: JobTimes) -> bool:
    """Return whether jobs left more slowly than they came in a run that has served all of them."""
    return bool(is_unstable(times.arrival_s, times.arrival_s + times.response_s, times.arrival_s[-1]))
