"""The committed-path schemes job by job, as the authors' simulator serves them, and with each rule as an option.

A job's start and end follow from the jobs before it, so both are known when it arrives, and there are no events. Paths
are listed, not searched. The rules have the names of the engine's (`system.routing`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from system import Placement, System
from tests.support.oracles.routed_simulation import Hop, Path, paths
from workloads.jobs import Jobs


class Rules(NamedTuple):
    """The rules of a scheme; `hop_s(hop)` and `exit_s(server)` are the parts of a path's cost."""

    hop_s: Callable[[Hop], float]
    exit_s: Callable[[int], float]
    delay: str  # order_statistic, mean_over_present, free_slots or sessions
    waiting: str  # fcfs or planned
    occupancy: str  # present, believed or believed_without_wait
    initial_delay_s: float = 0.0
    foreseen: bool = False
    request_delay_s: float = 0.0
    sessions: int = 2
    penalty_s: float = 10.0


@dataclass
class Served:
    """A job with its path, its times, and the times at which it is expected to end.

    The last of them takes the job not to wait, and never changes.
    """

    path: Path
    start_s: float
    end_s: float
    expected_end_s: float
    end_without_wait_s: float

    def slots(self, server: int) -> int:
        """Return the slots that the job holds or claims at a server."""
        return sum(hop.blocks for hop in self.path if hop.server == server)


class PublishedRoutes:
    """Jobs that are served in order of arrival."""

    def __init__(self, system: System, placement: Placement, slots: list[int], rules: Rules) -> None:
        self._system, self._hosted, self._slots, self._rules = system, placement.block_count.tolist(), slots, rules
        self._paths = paths(placement, slots, system.model.block_count)
        self._hops = {hop for path in self._paths for hop in path}
        self._jobs: list[Served] = []

    def serve(self, jobs: Jobs) -> list[Served]:
        """Return all jobs.

        Each takes its size times the time of its tokens on its path.
        """
        lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2)).tolist()
        for now_s, size, tokens in zip(jobs.arrival_s.tolist(), jobs.size.tolist(), lengths, strict=True):
            self._serve(now_s, size, (1.0, *tokens))
        return self._jobs

    def _serve(self, now_s: float, size: float, x: tuple[float, ...]) -> None:
        rules = self._rules
        for job in self._jobs:
            self._expect(job, now_s)
        path = self._path(now_s)
        present = [job for job in self._jobs if job.end_s > now_s]
        expected_s = max(self._wait_s(hop, now_s) for hop in path)
        needed_s = max(self._room_after_s(hop, [(job.end_s, job) for job in present], now_s) for hop in path)
        wait_s = max(needed_s, expected_s) if rules.waiting == "planned" else needed_s
        start_s, least_s = now_s + wait_s, self._least_s(path)
        start_expected_s = start_s if rules.foreseen or wait_s == 0 else now_s + expected_s
        if rules.occupancy == "believed_without_wait":
            start_expected_s = now_s
        end_s = start_s + rules.request_delay_s + size * self._time_s(path, x)
        self._jobs.append(Served(path, start_s, end_s, start_expected_s + least_s, now_s + least_s))

    def _expect(self, job: Served, now_s: float) -> None:
        """Update the expected end of a job that has started or waits too long."""
        rules, least_s = self._rules, self._least_s(job.path)
        if rules.foreseen or rules.occupancy == "believed_without_wait":
            return
        if job.start_s <= now_s:
            job.expected_end_s = job.start_s + least_s
        elif rules.occupancy == "believed" and job.expected_end_s <= now_s:
            job.expected_end_s = now_s + least_s

    def _listed(self, now_s: float) -> list[Served]:
        """Return the jobs that the scheme takes to be present."""
        if self._rules.occupancy == "present":
            return [job for job in self._jobs if job.end_s > now_s]
        return [job for job in self._jobs if job.expected_end_s > now_s]

    def _path(self, now_s: float) -> Path:
        """Return the path with the least cost."""
        hop_s = {hop: self._rules.hop_s(hop) + self._delay_s(hop, now_s) for hop in self._hops}
        exit_s = self._rules.exit_s
        return min(self._paths, key=lambda path: sum(hop_s[hop] for hop in path) + exit_s(path[-1].server))

    def _delay_s(self, hop: Hop, now_s: float) -> float:
        listed = [job for job in self._listed(now_s) if job.slots(hop.server)]
        if self._rules.delay == "sessions":
            return self._rules.penalty_s * (len(listed) >= self._rules.sessions)
        if self._rules.delay == "free_slots":
            if self._rules.occupancy == "present":
                listed = [job for job in listed if job.start_s <= now_s]
            return self._rules.penalty_s * (self._left(hop.server, listed) < self._hosted[hop.server])
        return self._wait_s(hop, now_s)

    def _wait_s(self, hop: Hop, now_s: float) -> float:
        """Return the wait that the scheme expects at a server.

        PETALS' clients plan as if no job waited, and strike off none before its estimated end.
        """
        listed = [job for job in self._listed(now_s) if job.slots(hop.server)]
        if self._rules.waiting == "planned" and self._rules.delay in ("free_slots", "sessions"):
            ends = [(job.end_without_wait_s, job) for job in self._jobs if job.end_without_wait_s > now_s]
            return self._room_after_s(hop, ends, now_s)
        if self._rules.delay == "mean_over_present":
            if self._left(hop.server, listed) >= hop.blocks:
                return 0.0
            return self._mean_s([hop._replace(blocks=self._hosted[hop.server])]) / max(len(listed), 1)
        return self._room_after_s(hop, [(job.expected_end_s, job) for job in listed], now_s)

    def _room_after_s(self, hop: Hop, ends: list[tuple[float, Served]], now_s: float) -> float:
        """Return the time until there is room for a hop if jobs end so."""
        left, after_s = self._left(hop.server, [job for _, job in ends]), 0.0
        for end_s, job in sorted(ends, key=lambda end: end[0]):
            if left >= hop.blocks:
                break
            left += job.slots(hop.server)
            after_s = max(end_s - now_s, 0.0)
        return after_s

    def _left(self, server: int, jobs: Iterable[Served]) -> int:
        return self._slots[server] - sum(job.slots(server) for job in jobs)

    def _least_s(self, path: Path) -> float:
        return self._mean_s(path) + self._rules.initial_delay_s

    def _mean_s(self, path: Iterable[Hop]) -> float:
        return self._time_s(path, self._system.mean_job)

    def _time_s(self, path: Iterable[Hop], x: Sequence[float]) -> float:
        communication_s, block_s = self._system.servers.communication_s, self._system.servers.block_s
        return sum(float((communication_s[hop.server] + hop.blocks * block_s[hop.server]) @ x) for hop in path)
