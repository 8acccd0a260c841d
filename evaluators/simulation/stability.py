"""The check whether a run is unstable, which means that jobs leave more slowly than they come.

The second half of the time so far is cut into windows. The run is unstable if the jobs that leave in them are fewer
than a share of the jobs that come, at 99 % confidence (Student's quantile for 5 windows; with more windows, their noise
would hide a slow drift).
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
    """Return whether the mean surplus is below 0, with the confidence of `QUANTILE`.

    The surplus (WINDOWS,) is the number of jobs that left a window less the number that had to leave.
    """
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
    """Return whether jobs leave more slowly than they come up to `now_s`.

    `end_s` is infinite for jobs that have not started, or not ended.
    """
    half_s = now_s / 2
    surplus = np.zeros(WINDOWS)
    for i in range(arrival_s.size):
        if half_s <= arrival_s[i] < now_s:
            surplus[int((arrival_s[i] - half_s) / half_s * WINDOWS)] -= SHARE_SERVED
        if half_s <= end_s[i] < now_s:
            surplus[int((end_s[i] - half_s) / half_s * WINDOWS)] += 1
    return is_negative(surplus)


@compiled
def is_seen_unstable(arrived: int, check_after: int, arrival_s: Floats, end_s: Floats) -> bool:
    """Return whether a check just after `arrived` arrivals finds the run unstable.

    The run is checked after `check_after` arrivals (0: never), at every doubling of that number, and at the last
    arrival.
    """
    if check_after == 0:
        return False
    multiple = arrived // check_after
    if arrived < arrival_s.size and (arrived % check_after != 0 or multiple & (multiple - 1) != 0):
        return False
    return is_unstable(arrival_s[:arrived], end_s[:arrived], arrival_s[arrived - 1])


def first_check(slots: int, blocks: int) -> int:
    """Return the number of arrivals before a run may be called unstable.

    These arrivals could fill the servers ten times: every job in service holds a cache slot for each of the model's
    blocks, so the slots bound the number of jobs in service.
    """
    return max(FEWEST_ARRIVALS, 10 * (slots // blocks))


def has_been_unstable(times: JobTimes) -> bool:
    """Return whether jobs left more slowly than they came in a finished run."""
    return bool(is_unstable(times.arrival_s, times.arrival_s + times.response_s, times.arrival_s[-1]))
