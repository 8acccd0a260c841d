"""A plain simulator of jobs that walk from server to server by weighted round robin, with Python's heap."""

import heapq
import math
from typing import NamedTuple

import numpy as np

from system import Placement, System
from tests.support.oracles.routed_simulation import Hop, Path, paths
from workloads.jobs import Jobs


class Served(NamedTuple):
    """One served job: its start, service time and path."""

    start_s: float
    service_s: float
    path: Path


class Rule(NamedTuple):
    """The weights (J + 1, J + 1) by which jobs walk, and two limits."""

    weights: np.ndarray
    high_water: float
    least_share: float


def usable_hops(system: System, placement: Placement, slots: list[int], rule: Rule) -> dict[int | None, list[Hop]]:
    """Return the usable hops out of each server, and out of None.

    They are the hops of all paths with enough weight over servers that accept a job when they are idle.
    """
    every = paths(placement, slots, system.model.block_count)
    legal = {hop for path in every for hop in path}
    weight = {hop: weight_of(hop, rule) for hop in legal}
    total = {hop.source: 0.0 for hop in legal}
    for hop in legal:
        total[hop.source] += weight[hop]
    usable = {
        hop
        for hop in legal
        if weight[hop] > 0
        and weight[hop] >= rule.least_share * total[hop.source]
        and placement.block_count[hop.server] <= rule.high_water * slots[hop.server] + 1e-9
    }
    whole = [path for path in every if all(hop in usable for hop in path)]
    kept = sorted({hop for path in whole for hop in path}, key=lambda hop: hop.server)
    return {source: [hop for hop in kept if hop.source == source] for source in total}


def weight_of(hop: Hop, rule: Rule) -> float:
    """Return the weight of a hop; the client has the last row."""
    return float(rule.weights[-1 if hop.source is None else hop.source, hop.server])


class Walks:
    """The state between two events."""

    def __init__(self, system: System, placement: Placement, slots: list[int], rule: Rule, jobs: Jobs) -> None:
        self._system, self._placement, self._slots, self._rule, self._jobs = system, placement, slots, rule, jobs
        self._hops = usable_hops(system, placement, slots, rule)
        self._load = {hop: 0.0 for hops in self._hops.values() for hop in hops}
        self._used, self._waiting = [0] * len(slots), []
        self._ends: list[tuple[float, int]] = []
        self.served: dict[int, Served] = {}

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        for job, arrival_s in enumerate(self._jobs.arrival_s.tolist()):
            self._end_jobs_until(arrival_s)
            self._waiting.append(job)
            self._start_jobs(arrival_s)
        self._end_jobs_until(math.inf)
        return [self.served[job] for job in range(len(self._jobs))]

    def work(self, job: int, part: int) -> float:
        """Return the prompt tokens of a job, at least 1, or its further tokens."""
        tokens = float(self._jobs.lengths[job if len(self._jobs.lengths) > 1 else 0, part])
        return tokens if part else max(tokens, 1.0)

    def _end_jobs_until(self, until_s: float) -> None:
        while self._ends and self._ends[0][0] <= until_s:
            now_s, job = heapq.heappop(self._ends)
            for hop in self.served[job].path:
                self._used[hop.server] -= hop.blocks
            self._charge(job, 1, self.served[job].path)
            self._start_jobs(now_s)

    def _start_jobs(self, now_s: float) -> None:
        while self._waiting and (path := self._walk(self._waiting[0])):
            job = self._waiting.pop(0)
            for hop in path:
                self._used[hop.server] += hop.blocks
            self._charge(job, 0, path)
            self.served[job] = Served(now_s, self._service_s(job, path), path)
            heapq.heappush(self._ends, (now_s + self.served[job].service_s, job))

    def _charge(self, job: int, part: int, path: Path) -> None:
        for hop in path:
            self._load[hop] += self.work(job, part) / weight_of(hop, self._rule)

    def _walk(self, job: int) -> Path:
        """Return the path of a job, or nothing if its walk ends early."""
        path: list[Hop] = []
        while not path or self._placement.end_block[path[-1].server] < self._system.model.block_count:
            open_hops = [hop for hop in self._hops[path[-1].server if path else None] if self._accepts(hop.server)]
            if not open_hops:
                return ()
            path.append(
                min(open_hops, key=lambda hop: self._load[hop] + self.work(job, 0) / weight_of(hop, self._rule))
            )
        return tuple(path)

    def _accepts(self, server: int) -> bool:
        used_after = self._used[server] + int(self._placement.block_count[server])
        return used_after <= self._rule.high_water * self._slots[server] + 1e-9

    def _service_s(self, job: int, path: Path) -> float:
        servers = self._system.servers
        coefficients_s = sum(
            servers.communication_s[hop.server] + hop.blocks * servers.block_s[hop.server] for hop in path
        )
        lengths = self._jobs.lengths[job if len(self._jobs.lengths) > 1 else 0]
        return float(self._jobs.size[job] * (coefficients_s @ np.array([1.0, *lengths])))
