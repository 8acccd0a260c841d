"""A plain simulator of lockstep: each chain is a generator that takes its batch from server to server.

A generator yields when its batch arrives at a server, and is sent when it has been computed there. At one instant jobs
end first, then batches arrive, in the order in which that became known, and then chains form batches.
"""

import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from evaluators.admission.requests import Path
from system.composition import Composition
from system.service.model import ServiceModel
from tests.support.oracles.steps.computing import HEAD, PlainSimulation, Served
from workloads.jobs import Jobs

ENDS, MOVES, FORMS = range(3)
Stops = Generator[tuple[float, int, int], float, float]


@dataclass
class Member:
    """A job in service on a chain: the tokens to come, and when its last batch ended."""

    job: int
    served: Served
    prompt_tokens: float
    further_tokens: int
    ready_s: float
    cached_tokens: float = 0.0


@dataclass
class Batch:
    """The one-token steps and the chunks of prompts of one round."""

    steps: list[Member] = field(default_factory=list)
    chunks: list[tuple[Member, float]] = field(default_factory=list)
    is_new: bool = False  # whether its shape is
    compute_s: float = 0.0
    queue_s: float = 0.0
    communication_s: float = 0.0

    @property
    def members(self) -> list[Member]:
        """Return the jobs that take part."""
        return [*self.steps, *(member for member, _ in self.chunks)]

    @property
    def prompt_tokens(self) -> float:
        """Return the tokens of all chunks."""
        return sum(tokens for _, tokens in self.chunks)

    @property
    def cached_tokens(self) -> float:
        """Return the tokens of the same prompts that were computed before."""
        return sum(member.cached_tokens for member, _ in self.chunks)

    @property
    def new_tokens(self) -> int:
        """Return how many tokens the head computes; incomplete prompts have none."""
        return len(self.steps) + sum(tokens == member.prompt_tokens for member, tokens in self.chunks)


class LockstepSimulation(PlainSimulation):
    """The state between two events, which are functions in a heap."""

    def __init__(
        self, layout: Composition, jobs: Jobs, service: ServiceModel, rng: np.random.Generator | None = None
    ) -> None:
        super().__init__(layout, jobs, service, rng)
        self._members: list[list[Member]] = [[] for _ in range(len(layout))]
        self._has_batch = [False] * len(layout)
        self._path_of: dict[int, Path] = {}
        self._shape = [(0, 0.0)] * len(layout)  # of the last batch: one-token steps, prompt tokens

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        for job, arrival_s in enumerate(self._jobs.arrival_s.tolist()):
            self._run_until(arrival_s)
            self._now_s = arrival_s
            self._admission.arrive(job)
            self._start_admitted_jobs()
        self._run_until(math.inf)
        return [self.served[job] for job in range(len(self._jobs))]

    def _run_until(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            self._now_s, *_, event = heapq.heappop(self._events)
            event()

    def _start_admitted_jobs(self) -> None:
        for start in self._admission.starts(self._now_s):
            row = self._jobs.lengths[start.job if len(self._jobs.lengths) > 1 else 0]
            served = self.served[start.job] = Served(self._now_s)
            self._members[start.chain].append(Member(start.job, served, float(row[0]), int(row[1]), self._now_s))
            self._path_of[start.chain] = start.path
            if not self._has_batch[start.chain]:
                self._has_batch[start.chain] = True
                self._will_form(start.chain)

    def _will_form(self, chain: int) -> None:
        self._schedule(self._now_s, FORMS, chain, lambda: self._form(chain))

    def _form(self, chain: int) -> None:
        batch, rest = Batch(), float(self._rules.budget_tokens or 0)
        self._has_batch[chain] = bool(self._members[chain])
        decoding = [member for member in self._members[chain] if not member.prompt_tokens]
        batch.steps = decoding[: int(rest)]
        rest -= len(batch.steps)
        for member in self._members[chain]:
            tokens = min(member.prompt_tokens, self._rules.prefill_chunk_tokens or math.inf, rest)
            if tokens:
                batch.chunks.append((member, tokens))
                rest -= tokens
        for member in batch.members:
            member.served.queue_s += self._now_s - member.ready_s
        if self._has_batch[chain]:
            shape = len(batch.steps), float(batch.prompt_tokens)
            batch.is_new, self._shape[chain] = shape != self._shape[chain], shape
            self._continue(chain, batch, self._round(chain, batch), None)

    def _round(self, chain: int, batch: Batch) -> Stops:
        """Yield arrivals of a batch with the server and its blocks; return the end."""
        now_s, before = self._now_s, HEAD
        for server, _, blocks in self._path_of[chain]:
            shape_s = self._shape_s(server, blocks, batch)
            now_s = yield self._travelled(before, server, batch, now_s) + shape_s, server, blocks
            before = server
        now_s = self._travelled(before, HEAD, batch, now_s)
        if self._host_s(batch) + self._rules.head_s * batch.new_tokens > 0:
            now_s = yield now_s, HEAD, 0
        return now_s

    def _host_s(self, batch: Batch) -> float:
        """Return the time of the chain's host for a round."""
        return self._rules.round_s + (batch.new_tokens - len(batch.steps)) * self._rules.join_s

    def _shape_s(self, server: int, blocks: int, batch: Batch) -> float:
        """Return and count the time that a server needs for a new shape."""
        if not batch.is_new or self._rules.shape_round_trips == 0:
            return 0.0
        rtt_s = self._servers.orchestrator_rtt_s
        assert rtt_s is not None
        seconds = self._rules.shape_round_trips * blocks * float(rtt_s[server])
        batch.communication_s += seconds
        return seconds

    def _travelled(self, source: int, target: int, batch: Batch, now_s: float) -> float:
        """Return when a batch that leaves now is there, and count its way."""
        for way_s in self._ways_s(source, target, batch.prompt_tokens, len(batch.steps)):
            batch.communication_s += way_s
            now_s += way_s
        return now_s

    def _continue(self, chain: int, batch: Batch, stops: Stops, end_s: float | None) -> None:
        try:
            arrival_s, server, blocks = next(stops) if end_s is None else stops.send(end_s)
        except StopIteration as stop:
            self._schedule(stop.value, MOVES, 0, lambda: self._end_round(chain, batch))
        else:
            event = lambda: self._continue(chain, batch, stops, self._computed(batch, server, blocks))  # noqa: E731
            self._schedule(arrival_s, MOVES, 0, event)

    def _computed(self, batch: Batch, server: int, blocks: int) -> float:
        """Let a server compute a batch that arrives now, and return when that ends."""
        if server == HEAD:
            return self._hosted(batch)
        computer, handling_s = self._computers[server], self._rules.handling_s
        seconds = computer.computation_s(blocks, batch.prompt_tokens, batch.cached_tokens, len(batch.steps))
        begin_s = max(self._now_s, computer.free_at_s)
        batch.queue_s += begin_s - self._now_s
        batch.compute_s += seconds
        return computer.compute(begin_s, seconds, handling_s)

    def _hosted(self, batch: Batch) -> float:
        """Let the head and the chain's host compute; return when they end."""
        seconds, host_s, begin_s = batch.new_tokens * self._rules.head_s, self._host_s(batch), self._now_s
        batch.compute_s += seconds + host_s
        if seconds > 0:
            begin_s = max(begin_s, self._head.free_at_s)
            batch.queue_s += begin_s - self._now_s
        return (self._head.compute(begin_s, seconds, 0.0) if seconds > 0 else begin_s) + host_s

    def _end_round(self, chain: int, batch: Batch) -> None:
        for member in batch.steps:
            member.further_tokens -= 1
        for member, tokens in batch.chunks:
            member.prompt_tokens -= tokens
            member.cached_tokens += tokens
            if not member.prompt_tokens:
                member.served.first_token_s = self._now_s
        for member in batch.members:
            member.ready_s = self._now_s
            member.served.compute_s += batch.compute_s
            member.served.queue_s += batch.queue_s
            member.served.communication_s += batch.communication_s
        for member in [one for one in self._members[chain] if not one.prompt_tokens and not one.further_tokens]:
            self._members[chain].remove(member)
            self._schedule(self._now_s, ENDS, 0, lambda job=member.job: self._end(job))
        self._will_form(chain)

    def _end(self, job: int) -> None:
        self.served[job].end_s = self._now_s
        self._admission.leave(job)
        self._start_admitted_jobs()
