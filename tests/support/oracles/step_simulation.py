"""A plain simulator of steps with Python's heap: each job is a generator that yields what it waits for next.

At the same instant, first computations end, then jobs continue in the order of their numbers, then free servers begin.
An admission, which has its own tests, decides which job starts when and where.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from evaluators.admission.requests import RequestAdmission, Start
from system import Servers
from workloads.jobs import Jobs

Event = Callable[[], None]
DONE, JOB, SERVER = range(3)


class Step(NamedTuple):
    """A computation that a job requests of a server; `is_token` tells whether it is for a single token."""

    job: int
    server: int
    computation_s: float
    is_token: bool


class Served:
    """One served job: its start, first token and end, and the parts of its service time."""

    def __init__(self, start_s: float) -> None:
        self.start_s, self.first_token_s, self.end_s = start_s, math.nan, math.nan
        self.compute_s = self.queue_s = self.communication_s = 0.0


class StepSimulation:
    """The state between two events, which are functions in a heap.

    `stacks` returns the time of steps that are computed together; it is None if steps are computed one at a time.
    """

    def __init__(
        self,
        servers: Servers,
        jobs: Jobs,
        admission: RequestAdmission,
        stacks: Callable[[list[float]], float] | None,
        handling_s: float = 0.0,
        model_blocks: int = 1,
        slowdown: Sequence[float] = (1.0,),
    ) -> None:
        self._slowdown = itertools.cycle(slowdown)
        self._handling_s, self._model_blocks = handling_s, model_blocks
        self._blocks_of: list[dict[int, int]] = [{} for _ in range(len(servers))]  # by server, then by its open jobs
        self._servers, self._jobs, self._admission, self._stacks = servers, jobs, admission, stacks
        self._now_s = 0.0
        self._events: list[tuple[float, int, int, Event]] = []
        self._waiting: list[list[tuple[float, Step]]] = [[] for _ in range(len(servers))]
        self._computing = [False] * len(servers)
        self._progress: dict[int, Iterator[float | Step]] = {}
        self.busy_s = [0.0] * len(servers)
        self.served: dict[int, Served] = {}

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        arrivals = [*self._jobs.arrival_s.tolist(), math.inf]
        arrived = 0
        while True:
            event_s = self._events[0][0] if self._events else math.inf
            self._now_s = min(event_s, arrivals[arrived], self._admission.next_look_s)
            if self._now_s == math.inf:
                return [self.served[job] for job in range(len(self._jobs))]
            if event_s == self._now_s:
                heapq.heappop(self._events)[-1]()
            elif self._admission.next_look_s == self._now_s:
                self._start_admitted_jobs()
            else:
                self._admission.arrive(arrived)
                arrived += 1
                self._start_admitted_jobs()

    def _start_admitted_jobs(self) -> None:
        for start in self._admission.starts(self._now_s):
            self.served[start.job] = Served(self._now_s)
            self._progress[start.job] = self._waits(start)
            self._continue(start.job)

    def _waits(self, start: Start) -> Iterator[float | Step]:
        """Yield what a job waits for, one after the other: seconds, or a step."""
        row = self._jobs.lengths[start.job if len(self._jobs.lengths) > 1 else 0]
        for token in range(1 + int(row[1])):
            for server, _, blocks in start.path:
                trip, block = self._servers.communication_s[server], self._servers.block_s[server]
                trip_s = trip[2] if token else trip[0] + trip[1] * row[0]
                block_s = block[2] if token else block[0] + block[1] * row[0]
                self.served[start.job].communication_s += trip_s
                yield trip_s / 2
                self._blocks_of[server][start.job] = blocks
                yield Step(start.job, server, blocks * block_s, token > 0)
                yield trip_s / 2
            if token == 0:
                self.served[start.job].first_token_s = self._now_s

    def _schedule(self, after_s: float, kind: int, number: int, event: Event) -> None:
        heapq.heappush(self._events, (self._now_s + after_s, kind, number, event))

    def _continue(self, job: int) -> None:
        wait = next(self._progress[job], None)
        if wait is None:
            self.served[job].end_s = self._now_s
            for blocks_of in self._blocks_of:
                blocks_of.pop(job, None)
            self._admission.leave(job)
            self._start_admitted_jobs()
        elif isinstance(wait, Step):
            self._waiting[wait.server].append((self._now_s, wait))
            self._serve(wait.server)
        else:
            self._schedule(wait, JOB, job, lambda: self._continue(job))

    def _serve(self, server: int) -> None:
        if self._computing[server] or not self._waiting[server]:
            return
        queue = self._waiting[server]
        together = [queue[0]]
        if self._stacks and queue[0][1].is_token:
            most = math.ceil(sum(self._blocks_of[server].values()) / self._model_blocks)
            together = [entry for entry in queue if entry[1].is_token][:most]
        self._waiting[server] = [entry for entry in queue if entry not in together]
        times_s = [step.computation_s for _, step in together]
        takes_s = self._stacks(times_s) if self._stacks and together[0][1].is_token else times_s[0]
        takes_s *= next(self._slowdown)
        for arrival_s, step in together:
            self.served[step.job].queue_s += self._now_s - arrival_s
            self.served[step.job].compute_s += takes_s
        self._computing[server] = True
        self.busy_s[server] += takes_s
        self._schedule(takes_s, DONE, server, lambda: [self._continue(step.job) for _, step in together])
        handled_s = takes_s + self._handling_s * len(together)
        self._schedule(handled_s, SERVER, server, lambda: self._finish(server))

    def _finish(self, server: int) -> None:
        self._computing[server] = False
        self._serve(server)
