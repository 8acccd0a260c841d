"""A plain simulator with Python's heap, and the dispatch policies as specified for whole systems.

Central policies start the head of the queue on the chain that has just completed a job; the other policies decide once,
on arrival. Jobs are served in the order of events. At the same instant, completions come before an arrival.
"""

import heapq
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workloads.jobs import Jobs

Choice = Callable[[list[int], list[int], list[float], float], int | None]


class Served(NamedTuple):
    """One served job: its start, service time, time of the first token, and chain."""

    start_s: float
    service_s: float
    first_token_s: float
    chain: int


class TiedChainsError(Exception):
    """Jobs on different chains completed at the same instant, so their order is undefined."""


class Simulation:
    """The state between two events.

    `choose(jobs on each chain, capacity, rates, uniform)` returns a chain or None.
    """

    def __init__(
        self, jobs: Jobs, coefficients_s: np.ndarray, rate: list[float], capacity: list[int], choose: Choice
    ) -> None:
        self._jobs, self._coefficients_s, self._rate, self._capacity = jobs, coefficients_s, rate, capacity
        self._choose = choose
        self._present = [0] * len(capacity)  # Z_l of the specification: jobs in service and in the chain's own queue
        self._own_queue: list[deque[int]] = [deque() for _ in capacity]
        self._central: deque[int] = deque()
        self._completions: list[tuple[float, int, int]] = []
        self._served: dict[int, Served] = {}

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        for job, now_s in enumerate(self._jobs.arrival_s):
            while self._completions and self._completions[0][0] <= now_s:
                self._complete()
            self._arrive(job, now_s)
        while self._completions:
            self._complete()
        return [self._served[job] for job in range(len(self._jobs))]

    def _arrive(self, job: int, now_s: float) -> None:
        chain = self._choose(self._present, self._capacity, self._rate, self._jobs.uniform[job])
        if chain is None:
            self._central.append(job)
            return
        self._present[chain] += 1
        if self._present[chain] <= self._capacity[chain]:
            self._start(job, chain, now_s)
        else:
            self._own_queue[chain].append(job)

    def _start(self, job: int, chain: int, now_s: float) -> None:
        lengths = self._jobs.lengths[job if len(self._jobs.lengths) > 1 else 0]
        parts = [
            self._jobs.size[job] * c * v for c, v in zip(self._coefficients_s[chain], (1.0, *lengths), strict=True)
        ]
        self._served[job] = Served(now_s, sum(parts), now_s + parts[0] + parts[1], chain)
        heapq.heappush(self._completions, (now_s + sum(parts), job, chain))

    def _complete(self) -> None:
        now_s, _, chain = heapq.heappop(self._completions)
        if any(time_s == now_s and other != chain for time_s, _, other in self._completions[:3]):
            raise TiedChainsError
        self._present[chain] -= 1
        if self._own_queue[chain]:
            self._start(self._own_queue[chain].popleft(), chain, now_s)
        elif self._central:
            self._present[chain] += 1
            self._start(self._central.popleft(), chain, now_s)


def _free(present: list[int], capacity: list[int]) -> list[int]:
    return [k for k in range(len(capacity)) if present[k] < capacity[k]]


def _pick(chains: list[int], uniform: float) -> int:
    return chains[int(uniform * len(chains))]


def _excess(present: list[int], capacity: list[int]) -> list[float]:
    return [max(z - c + 1, 0) / c for z, c in zip(present, capacity, strict=True)]


def _shortest(present: list[int], capacity: list[int]) -> list[int]:
    excess = _excess(present, capacity)
    return [k for k in range(len(capacity)) if excess[k] - min(excess) <= 1e-9]


def jffc(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int | None:
    return max(_free(present, capacity), key=lambda k: rate[k], default=None)


def jsq(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int:
    return _pick(_shortest(present, capacity), uniform)


def sa_jsq(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int:
    return max(_shortest(present, capacity), key=lambda k: rate[k])


def jiq(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int:
    return _pick(_free(present, capacity) or list(range(len(capacity))), uniform)


def sed(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int:
    excess = _excess(present, capacity)
    return min(range(len(capacity)), key=lambda k: 1 / rate[k] + excess[k] / rate[k])


def random_free(present: list[int], capacity: list[int], rate: list[float], uniform: float) -> int | None:
    free = _free(present, capacity)
    return _pick(free, uniform) if free else None


POLICIES: dict[str, Choice] = {
    "jffc": jffc,
    "jsq": jsq,
    "sa_jsq": sa_jsq,
    "jiq": jiq,
    "sed": sed,
    "random_free": random_free,
}
