"""First-in, first-out queues as linked lists in arrays; a job is in at most one queue."""

from typing import NamedTuple

import numpy as np
from numba import int64, types
from numpy.typing import NDArray

from system.code.compiler import compiled

Ints = NDArray[np.int64]


class Queues(NamedTuple):
    """Queues as linked lists: each holds `length` jobs, from `first` along `behind` to `last`."""

    length: Ints  # (queues,)
    first: Ints  # (queues,)
    last: Ints  # (queues,)
    behind: Ints  # (jobs,), the next job of the same queue


QUEUES = types.NamedUniTuple(int64[::1], 4, Queues)


def empty_queues(count: int, job_count: int) -> Queues:
    """Return `count` empty queues for `job_count` jobs."""
    length, first, last = np.zeros((3, count), np.int64)
    return Queues(length, first, last, np.zeros(job_count, np.int64))


def filled_queues(jobs: list[list[int]], job_count: int) -> Queues:
    """Return queues that hold the given jobs, one list per queue, in order."""
    queues = empty_queues(len(jobs), job_count)
    for queue, members in enumerate(jobs):
        if members:
            queues.length[queue], queues.first[queue], queues.last[queue] = len(members), members[0], members[-1]
            queues.behind[members[:-1]] = members[1:]
    return queues


@compiled
def append(queues: Queues, queue: int, job: int) -> None:
    """Add a job to the end of a queue."""
    if queues.length[queue] == 0:
        queues.first[queue] = job
    else:
        queues.behind[queues.last[queue]] = job
    queues.last[queue] = job
    queues.length[queue] += 1


@compiled
def take_first(queues: Queues, queue: int) -> int:
    """Remove the head of a queue and return it."""
    job = queues.first[queue]
    queues.length[queue] -= 1
    if queues.length[queue] > 0:
        queues.first[queue] = queues.behind[job]
    return job


def jobs_in(queues: Queues, queue: int) -> list[int]:
    """Return the jobs of a queue in order."""
    jobs, job = [], int(queues.first[queue])
    for _ in range(queues.length[queue]):
        jobs.append(job)
        job = int(queues.behind[job])
    return jobs
