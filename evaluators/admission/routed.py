"""Admission of schemes that route each job over the servers, one class for each way to wait (`algorithms.routing`)."""

import heapq
import math
from collections import deque

from algorithms.routing.links import RoutedComposition
from evaluators.admission.decisions import Path, Start, no_path_left
from evaluators.admission.room import Claim, fits, take
from evaluators.admission.router import Router

LONGEST_BACKOFF_S = 60.0


class RoutedAdmission:
    """What the ways to wait share. A job that has just come is looked at when `starts` is asked next."""

    def __init__(self, composition: RoutedComposition) -> None:
        self._router = Router(composition)
        self._newcomers: deque[int] = deque()
        self._in_service: dict[int, Claim] = {}

    @property
    def next_look_s(self) -> float:
        return math.inf

    def arrive(self, job: int, now_s: float) -> None:
        if not self._router.leads_to_end:
            raise no_path_left()
        self._newcomers.append(job)

    def leave(self, job: int, now_s: float) -> None:
        self._router.leave(self._in_service.pop(job))

    def lose_server(self, server: int) -> list[int]:
        self._router.lose(server)
        if self._router.leads_to_end:
            return []
        waiting, self._newcomers = list(self._newcomers), deque()
        return waiting

    def _start(self, job: int, path: Path, now_s: float) -> Start:
        """A job that claims its slots starts."""
        self._in_service[job] = self._router.begin(path, now_s)
        return Start(job, path, -1)

    def _start_newcomer(self, job: int, path: Path, now_s: float) -> Start:
        take(path, self._router.room.unreserved)
        return self._start(job, path, now_s)


class CentralAdmission(RoutedAdmission):
    """`central`: one queue, here the newcomers; its head looks for a path with room."""

    def starts(self, now_s: float) -> list[Start]:
        started = []
        while self._newcomers:
            path = self._router.find(now_s)
            if path is None or not fits(path, self._router.room.free):
                break
            started.append(self._start_newcomer(self._newcomers.popleft(), path, now_s))
        return started


class BackoffAdmission(RoutedAdmission):
    """`backoff`: who finds a path without room looks for another one later, each time after a longer while."""

    def __init__(self, composition: RoutedComposition) -> None:
        super().__init__(composition)
        self._retries: list[tuple[float, int, int, float]] = []  # when, in which order, who, after which delay
        self._tries = 0

    @property
    def next_look_s(self) -> float:
        return self._retries[0][0] if self._retries else math.inf

    def starts(self, now_s: float) -> list[Start]:
        looking = []
        while self.next_look_s <= now_s:
            _, _, job, delay_s = heapq.heappop(self._retries)
            looking.append((job, delay_s))
        looking += [(job, 0.0) for job in self._newcomers]
        self._newcomers.clear()
        found = [self._look(job, delay_s, now_s) for job, delay_s in looking]
        return [start for start in found if start]

    def lose_server(self, server: int) -> list[int]:
        waiting = super().lose_server(server)
        if self._router.leads_to_end:
            return []
        waiting += [job for _, _, job, _ in sorted(self._retries)]
        self._retries.clear()
        return waiting

    def _look(self, job: int, last_delay_s: float, now_s: float) -> Start | None:
        path = self._router.find_some(now_s)
        if fits(path, self._router.room.free):
            return self._start_newcomer(job, path, now_s)
        delay_s = min(max(2 * last_delay_s, 1.0), LONGEST_BACKOFF_S)
        self._tries += 1
        heapq.heappush(self._retries, (now_s + delay_s, self._tries, job, delay_s))
        return None


class CommittedAdmission(RoutedAdmission):
    """`fcfs` and, `overtaking`, `first_fit`: who finds no room waits for the path found on arrival."""

    def __init__(self, composition: RoutedComposition) -> None:
        super().__init__(composition)
        self._overtaking = composition.routing.waiting == "first_fit"
        self._queue: dict[int, Claim] = {}  # in order of arrival
        self._may_fit = False  # whether slots have become free since `starts` was asked last

    def leave(self, job: int, now_s: float) -> None:
        super().leave(job, now_s)
        self._may_fit = True

    def starts(self, now_s: float) -> list[Start]:
        started = self._start_committed(now_s) if self._may_fit else []
        self._may_fit = False
        while self._newcomers:
            start = self._start_or_commit(self._newcomers.popleft(), now_s)
            started += [start] if start else []
        return started

    def lose_server(self, server: int) -> list[int]:
        """Jobs that wait for a path over the server are newcomers once more."""
        stranded = [job for job, claim in self._queue.items() if any(hop.server == server for hop in claim.path)]
        for job in stranded:
            self._router.withdraw(self._queue.pop(job))
        self._newcomers.extendleft(reversed(stranded))
        self._may_fit = True
        return super().lose_server(server)

    def _start_or_commit(self, job: int, now_s: float) -> Start | None:
        path, room = self._router.find_some(now_s), self._router.room
        if fits(path, room.free if self._overtaking else room.unreserved):
            return self._start_newcomer(job, path, now_s)
        self._queue[job] = self._router.commit(path, now_s)
        return None

    def _start_committed(self, now_s: float) -> list[Start]:
        """Under `fcfs` a job leaves the slots that those before it wait for; under `first_fit` it may overtake them."""
        free = self._router.room.free
        left = free if self._overtaking else free.copy()
        started = []
        for job, claim in list(self._queue.items()):
            if not self._router.has_entrance(left):
                break
            if fits(claim.path, left):
                started.append(self._start_waiting(job, now_s))
            if not self._overtaking:
                take(claim.path, left)
        return started

    def _start_waiting(self, job: int, now_s: float) -> Start:
        claim = self._queue.pop(job)
        self._router.room.strike(claim)
        return self._start(job, claim.path, now_s)
