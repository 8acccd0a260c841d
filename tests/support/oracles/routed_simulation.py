"""A plain simulator of schemes that route each job over servers, with Python's heap and without a graph.

All paths are listed once; a job takes the path with the least sum of the costs of its hops and of the delays that the
servers' state adds. The state is not stored but counted from the jobs that are present. Blocks are counted from 0.
"""

import heapq
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from system import Placement, System
from workloads.jobs import Jobs

COMPLETION, PLANNED_START = -1, -2
RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # the last one repeats


class Hop(NamedTuple):
    """A hop to `server` from `source` (None is the client), with the number of blocks run there."""

    source: int | None
    server: int
    blocks: int


Path = tuple[Hop, ...]


class Scheme(NamedTuple):
    """The rules of a scheme.

    `hop_s(hop)` and `exit_s(server)` are the parts of a path's cost; `delay` is `petals` or `ws_rr`.
    """

    hop_s: Callable[[Hop], float]
    exit_s: Callable[[int], float]
    delay: str
    waiting: str  # fcfs, first_fit, backoff, central or planned
    refresh_s: float = 0.0


class Served(NamedTuple):
    """One served job: its start, service time and first token, and the time of a further token, in seconds."""

    start_s: float
    service_s: float
    first_token_s: float
    output_token_s: float


def paths(placement: Placement, slots: list[int], block_count: int) -> list[Path]:
    """Return every path through all blocks.

    Each server runs the blocks that it hosts from the next one on, if it has enough slots.
    """
    first, end = placement.first_block.tolist(), placement.end_block.tolist()

    def onward(source: int | None, done: int) -> Iterator[Path]:
        if done == block_count:
            yield ()
            return
        for j in range(len(first)):
            if first[j] <= done < end[j] and end[j] - done <= slots[j]:
                for rest in onward(j, end[j]):
                    yield (Hop(source, j, end[j] - done), *rest)

    return list(onward(None, 0))


def petals_scheme(system: System, waiting: str, refresh_s: float = 0.0) -> Scheme:
    """Return the scheme of PETALS (BASELINES 1.3).

    Messages go from server to server; a hop costs 18 ms and one decoding step of each block.
    """
    servers = system.servers

    def hop_s(hop: Hop) -> float:
        rtt_s = servers.orchestrator_rtt_s if hop.source is None else servers.rtt_s[hop.source]
        return rtt_s[hop.server] / 2 + 0.018 + hop.blocks * servers.block_s[hop.server, 2]

    return Scheme(hop_s, lambda j: servers.orchestrator_rtt_s[j] / 2, "petals", waiting, refresh_s)


def bprr_scheme(system: System, waiting: str) -> Scheme:
    """Return the scheme of BPRR (BASELINES 2.3); a hop costs the visit's mean time."""

    def hop_s(hop: Hop) -> float:
        return system.communication_s[hop.server] + system.block_s[hop.server] * hop.blocks

    return Scheme(hop_s, lambda j: 0.0, "ws_rr", waiting)


class Claim(NamedTuple):
    """A job that is present, running or committed to a path, its expected end, and its earliest start."""

    path: Path
    runs: bool
    expected_end_s: float
    earliest_s: float


class RoutedSimulation:
    """The state between two events, with a `Claim` for each job that is present, in order of arrival."""

    def __init__(self, system: System, placement: Placement, slots: list[int], scheme: Scheme, jobs: Jobs) -> None:
        self._system, self._placement, self._slots, self._scheme, self._jobs = system, placement, slots, scheme, jobs
        self._paths = paths(placement, slots, system.model.block_count)
        self._claims: dict[int, Claim] = {}
        self._believed: list[Claim] = []  # by PETALS' clients when they plan: of all jobs, as if none waited
        self._waiting: list[int] = []  # in the central queue
        self._known_free, self._refreshed_s = list(slots), -math.inf
        self._events: list[tuple[float, int, int]] = []  # time, job, attempts made, or one of the next two
        self._served: dict[int, Served] = {}

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        for job, now_s in enumerate(self._jobs.arrival_s.tolist()):
            self._process_events_until(now_s)
            self._arrive(job, 0, now_s)
        self._process_events_until(math.inf)
        return [self._served[job] for job in range(len(self._jobs))]

    def _process_events_until(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            now_s, job, attempts = heapq.heappop(self._events)
            if attempts < 0:
                if attempts == COMPLETION:
                    del self._claims[job]
                self._start_waiting_jobs(now_s)
            else:
                self._arrive(job, attempts, now_s)

    def _refresh(self, now_s: float) -> None:
        """Read the free slots again if the known numbers are too old.

        With a `refresh_s` of 0 they are read every time.
        """
        if now_s - self._refreshed_s >= self._scheme.refresh_s:
            self._known_free = [self._free(j) for j in range(len(self._slots))]
            self._refreshed_s = now_s

    def _arrive(self, job: int, attempts: int, now_s: float) -> None:
        """Handle a new job, or a job that tries again."""
        if self._scheme.waiting == "central":
            self._waiting.append(job)
            self._start_waiting_jobs(now_s)
            return
        path = self._route(now_s)
        wait_s = max(self._wait_s(hop, now_s) for hop in path)
        earliest_s = now_s + wait_s if self._scheme.waiting == "planned" else now_s
        self._believed.append(Claim(path, True, now_s + self._mean_s(path), now_s))
        if earliest_s <= now_s and self._may_start(job, path):
            self._start(job, path, now_s)
        elif self._scheme.waiting == "backoff":
            after_s = RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S) - 1)]
            heapq.heappush(self._events, (now_s + after_s, job, attempts + 1))
        else:
            self._claims[job] = Claim(path, False, now_s + wait_s + self._mean_s(path), earliest_s)
            if earliest_s > now_s:
                heapq.heappush(self._events, (earliest_s, job, PLANNED_START))

    def _start_waiting_jobs(self, now_s: float) -> None:
        for job in sorted(job for job, claim in self._claims.items() if not claim.runs):
            path, earliest_s = self._claims[job].path, self._claims[job].earliest_s
            if earliest_s <= now_s and self._may_start(job, path):
                self._start(job, path, now_s)
        while self._waiting:
            path = self._route(now_s)
            if not self._may_start(self._waiting[0], path):
                break
            self._start(self._waiting.pop(0), path, now_s)

    def _may_start(self, job: int, path: Path) -> bool:
        """Return whether the path has room beside the running jobs.

        Under `fcfs` and `planned`, it must have room beside all jobs that arrived earlier and are present.
        """
        in_order = self._scheme.waiting in ("fcfs", "planned")
        room = self._reserved_room(job) if in_order else self._free
        return all(room(hop.server) >= hop.blocks for hop in path)

    def _reserved_room(self, job: int) -> Callable[[int], int]:
        before = [claim for other, claim in self._claims.items() if other < job]
        return lambda j: self._slots[j] - sum(_slots_of(claim, j) for claim in before)

    def _free(self, j: int) -> int:
        return self._slots[j] - sum(_slots_of(claim, j) for claim in self._claims.values() if claim.runs)

    def _start(self, job: int, path: Path, now_s: float) -> None:
        servers, jobs = self._system.servers, self._jobs
        tokens_in, tokens_out = jobs.lengths[job if len(jobs.lengths) > 1 else 0]
        once_s, input_s, output_s = (
            sum(servers.communication_s[hop.server, i] + hop.blocks * servers.block_s[hop.server, i] for hop in path)
            for i in range(3)
        )
        first_s = jobs.size[job] * (once_s + input_s * tokens_in)
        service_s = first_s + jobs.size[job] * output_s * tokens_out
        self._served[job] = Served(now_s, service_s, now_s + first_s, output_s)
        self._claims[job] = Claim(path, True, now_s + self._mean_s(path), now_s)
        heapq.heappush(self._events, (now_s + service_s, job, COMPLETION))

    def _mean_s(self, path: Path) -> float:
        communication_s, block_s = self._system.communication_s, self._system.block_s
        return sum(communication_s[hop.server] + hop.blocks * block_s[hop.server] for hop in path)

    def _route(self, now_s: float) -> Path:
        self._refresh(now_s)
        return min(self._paths, key=lambda path: self._cost_s(path, now_s))

    def _cost_s(self, path: Path, now_s: float) -> float:
        hops_s = sum(self._scheme.hop_s(hop) + self._delay_s(hop, now_s) for hop in path)
        return hops_s + self._scheme.exit_s(path[-1].server)

    def _delay_s(self, hop: Hop, now_s: float) -> float:
        if self._scheme.delay == "petals":
            return 10.0 if self._known_free[hop.server] < self._placement.block_count[hop.server] else 0.0
        return self._wait_s(hop, now_s)

    def _wait_s(self, hop: Hop, now_s: float) -> float:
        """Return the least remaining time after which there is room for the hop."""
        claims = list(self._claims.values())
        if self._scheme.delay == "petals" and self._scheme.waiting == "planned":
            claims = [claim for claim in self._believed if claim.expected_end_s > now_s]
        present = [claim for claim in claims if _slots_of(claim, hop.server)]
        room, remaining_s = self._slots[hop.server] - sum(_slots_of(claim, hop.server) for claim in present), 0.0
        for claim in sorted(present, key=lambda claim: claim.expected_end_s):
            if room >= hop.blocks:
                break
            room += _slots_of(claim, hop.server)
            remaining_s = max(claim.expected_end_s - now_s, 0.0)
        return remaining_s


def _slots_of(claim: Claim, j: int) -> int:
    return sum(hop.blocks for hop in claim.path if hop.server == j)
