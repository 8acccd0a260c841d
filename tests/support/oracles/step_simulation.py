"""A plain simulator of steps on Python's own heap: each job is a generator that says for what it waits next.

At one instant computations end, then jobs go on in the order of their numbers, then servers that are free begin. Who
starts when and where is asked of an admission, which has tests of its own.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from evaluators.admission.requests import RequestAdmission, Start
from system import Servers
from workloads.jobs import Jobs

Happening = Callable[[], None]
DONE, JOB, SERVER = range(3)


class Step(NamedTuple):
    """A job that asks a server for some computation, and whether it is for a single token."""

    job: int
    server: int
    computation_s: float
    is_token: bool


class Served:
    """One job: when it started, had its first token and ended, and how its steps spent the time."""

    def __init__(self, start_s: float) -> None:
        self.start_s, self.first_token_s, self.end_s = start_s, math.nan, math.nan
        self.compute_s = self.queue_s = self.communication_s = 0.0


class StepSimulation:
    """Everything that happens is a function in a heap; `stacks` is the time of steps together, None if serial."""

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
        self._blocks_of: list[dict[int, int]] = [{} for _ in range(len(servers))]  # of each server, of its open jobs
        self._servers, self._jobs, self._admission, self._stacks = servers, jobs, admission, stacks
        self._now_s = 0.0
        self._ahead: list[tuple[float, int, int, Happening]] = []
        self._waiting: list[list[tuple[float, Step]]] = [[] for _ in range(len(servers))]
        self._computing = [False] * len(servers)
        self._life: dict[int, Iterator[float | Step]] = {}
        self.busy_s = [0.0] * len(servers)
        self.served: dict[int, Served] = {}

    def run(self) -> list[Served]:
        """Every job, in the order of arrival."""
        arrivals = [*self._jobs.arrival_s.tolist(), math.inf]
        come = 0
        while True:
            ahead_s = self._ahead[0][0] if self._ahead else math.inf
            self._now_s = min(ahead_s, arrivals[come], self._admission.next_look_s)
            if self._now_s == math.inf:
                return [self.served[job] for job in range(len(self._jobs))]
            if ahead_s == self._now_s:
                heapq.heappop(self._ahead)[-1]()
            elif self._admission.next_look_s == self._now_s:
                self._start_those_who_can()
            else:
                self._admission.arrive(come)
                come += 1
                self._start_those_who_can()

    def _start_those_who_can(self) -> None:
        for start in self._admission.starts(self._now_s):
            self.served[start.job] = Served(self._now_s)
            self._life[start.job] = self._live(start)
            self._go_on(start.job)

    def _live(self, start: Start) -> Iterator[float | Step]:
        """What a job waits for, one after the other: seconds, or a step."""
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

    def _later(self, after_s: float, kind: int, who: int, happening: Happening) -> None:
        heapq.heappush(self._ahead, (self._now_s + after_s, kind, who, happening))

    def _go_on(self, job: int) -> None:
        wanted = next(self._life[job], None)
        if wanted is None:
            self.served[job].end_s = self._now_s
            for blocks_of in self._blocks_of:
                blocks_of.pop(job, None)
            self._admission.leave(job)
            self._start_those_who_can()
        elif isinstance(wanted, Step):
            self._waiting[wanted.server].append((self._now_s, wanted))
            self._serve(wanted.server)
        else:
            self._later(wanted, JOB, job, lambda: self._go_on(job))

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
        for came_s, step in together:
            self.served[step.job].queue_s += self._now_s - came_s
            self.served[step.job].compute_s += takes_s
        self._computing[server] = True
        self.busy_s[server] += takes_s
        self._later(takes_s, DONE, server, lambda: [self._go_on(step.job) for _, step in together])
        handled_s = takes_s + self._handling_s * len(together)
        self._later(handled_s, SERVER, server, lambda: self._finish(server))

    def _finish(self, server: int) -> None:
        self._computing[server] = False
        self._serve(server)
