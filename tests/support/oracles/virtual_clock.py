"""An admission driven by a clock of events; the service time of a job is given when it starts."""

import heapq
import math
from collections.abc import Callable
from typing import NamedTuple

from evaluators.admission.requests import RequestAdmission, Start
from system import InfeasibleError
from workloads.jobs import Jobs

LOSS, END, ARRIVAL = -1, 0, 1  # the order at the same instant


class Started(NamedTuple):
    """A start with its time and the job's service time."""

    at_s: float
    service_s: float
    start: Start


class VirtualClock:
    """A clock that serves all jobs of an admission.

    A server may be lost. Jobs in service on it then arrive again at once, and start from the beginning.
    """

    def __init__(self, admission: RequestAdmission, jobs: Jobs, service_s: Callable[[Start], float]) -> None:
        self._admission, self._service_s = admission, service_s
        self._events = [(at_s, ARRIVAL, job) for job, at_s in enumerate(jobs.arrival_s.tolist())]
        self.in_service: dict[int, Started] = {}
        self.started: list[Started] = []
        self.ended: list[int] = []
        self.given_up: list[int] = []

    def run(self, loss_s: float = math.inf, server: int = -1) -> "VirtualClock":
        heapq.heappush(self._events, (loss_s, LOSS, server))
        while (now_s := min(self._events[0][0], self._admission.next_look_s)) < math.inf:
            if self._events[0][0] == now_s:
                _, kind, number = heapq.heappop(self._events)
                {LOSS: self._lose, END: self._end, ARRIVAL: self._arrive}[kind](number, now_s)
            for start in self._admission.starts(now_s):
                self._start(start, now_s)
            self._events = self._events or [(math.inf, LOSS, server)]
        return self

    def _start(self, start: Start, now_s: float) -> None:
        assert start.job not in self.in_service
        self.in_service[start.job] = Started(now_s, self._service_s(start), start)
        self.started.append(self.in_service[start.job])
        heapq.heappush(self._events, (now_s + self.started[-1].service_s, END, start.job))

    def _end(self, job: int, now_s: float) -> None:
        """End a job, unless the end belongs to an interrupted start."""
        started = self.in_service.get(job)
        if started is not None and started.at_s + started.service_s == now_s:
            self._admission.leave(job)
            self.ended.append(job)
            del self.in_service[job]

    def _arrive(self, job: int, now_s: float) -> None:
        try:
            self._admission.arrive(job)
        except InfeasibleError:
            self.given_up.append(job)

    def _lose(self, server: int, now_s: float) -> None:
        self.given_up += self._admission.lose_server(server)
        interrupted = [
            job for job, started in self.in_service.items() if any(hop.server == server for hop in started.start.path)
        ]
        for job in interrupted:
            del self.in_service[job]
            self._admission.leave(job)
            self._arrive(job, now_s)
