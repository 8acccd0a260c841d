"""A plain simulator of step queues: each job is a generator that asks servers for steps.

A generator yields a step and is sent when its computation begins and ends, as soon as that is known. An admission,
which has its own tests, decides which job starts when and where. At one instant, jobs come first, in the order in which
their events became known, and then servers that begin, in the order of their numbers.
"""

import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from evaluators.admission.requests import Start
from system.layout import Layout
from system.service.model import ServiceModel
from tests.support.oracles.steps.computing import HEAD, Computer, PlainSimulation, Served
from workloads.jobs import Jobs

JOB, SERVER = range(2)


@dataclass
class Step:
    """A step that arrives at a server: some tokens of a prompt, or none of a prompt for a one-token step."""

    job: int
    server: int
    blocks: int
    arrival_s: float
    prompt_tokens: float = 0
    cached_tokens: float = 0
    may_be_cut: bool = False


class StepSimulation(PlainSimulation):
    """The state between two events, which are functions in a heap."""

    def __init__(
        self, layout: Layout, jobs: Jobs, service: ServiceModel, rng: np.random.Generator | None = None
    ) -> None:
        super().__init__(layout, jobs, service, rng)
        self._model_blocks = layout.system.model.block_count
        self._waiting: list[list[Step]] = [[] for _ in self._computers]
        self._blocks_of: list[dict[int, int]] = [{} for _ in self._computers]  # by server, then by its open jobs
        self._lives: dict[int, Generator[Step, tuple[float, float], float]] = {}

    def run(self) -> list[Served]:
        """Return every job, in order of arrival."""
        arrivals, arrived = [*self._jobs.arrival_s.tolist(), math.inf], 0
        while True:
            event_s = self._events[0][0] if self._events else math.inf
            self._now_s = min(event_s, arrivals[arrived], self._admission.next_look_s)
            if self._now_s == math.inf:
                return [self.served[job] for job in range(len(self._jobs))]
            if event_s == self._now_s:
                heapq.heappop(self._events)[-1]()
                continue
            if self._admission.next_look_s > self._now_s:
                self._admission.arrive(arrived)
                arrived += 1
            self._start_admitted_jobs()

    def _start_admitted_jobs(self) -> None:
        for start in self._admission.starts(self._now_s):
            self.served[start.job] = Served(self._now_s)
            self._lives[start.job] = self._life(start, self.served[start.job])
            self._wait_for(next(self._lives[start.job]))

    def _life(self, start: Start, served: Served) -> Generator[Step, tuple[float, float], float]:
        """Yield the steps of a job, and return its end."""
        row = self._jobs.lengths[start.job if len(self._jobs.lengths) > 1 else 0]
        now_s = yield from self._prompt(start, served, float(row[0]))
        stops = [(hop.server, hop.blocks) for hop in start.path]
        if self._rules.head_s > 0:
            stops.append((HEAD, 0))
            now_s = yield from _computed(Step(start.job, HEAD, 0, now_s), served)
        served.first_token_s = now_s
        servers, back_s = [server for server, _ in stops], 0.0
        for _ in range(int(row[1])):
            travel_s = back_s + sum(self._ways_s(HEAD, servers[0], 0, 1))
            for (server, blocks), following in zip(stops, [*servers[1:], HEAD], strict=True):
                now_s = yield from _computed(Step(start.job, server, blocks, now_s + travel_s), served)
                served.communication_s += travel_s
                travel_s = sum(self._ways_s(server, following, 0, 1))
            back_s = travel_s
        served.communication_s += back_s
        return now_s + back_s

    def _prompt(
        self, start: Start, served: Served, prompt_tokens: float
    ) -> Generator[Step, tuple[float, float], float]:
        """Yield the steps of a prompt chunk by chunk; return the end."""
        done, sent, now_s = 0.0, 0.0, served.start_s
        while done < prompt_tokens:
            tokens = min(prompt_tokens - done, self._rules.prefill_chunk_tokens or math.inf)
            before, unsent = HEAD, max(done + tokens - sent, 0.0)
            sent += unsent
            for server, _, blocks in start.path:
                now_s = self._travelled(before, server, unsent if before == HEAD else tokens, now_s, served)
                step = Step(start.job, server, blocks, now_s, tokens, done, may_be_cut=before == HEAD)
                now_s = yield from _computed(step, served)
                tokens, before = step.prompt_tokens, server
            now_s = self._travelled(before, HEAD, tokens, now_s, served)
            done += tokens
        return now_s

    def _travelled(self, source: int, target: int, prompt_tokens: float, now_s: float, served: Served) -> float:
        """Return when a chunk that leaves now is there; count its way."""
        for way_s in self._ways_s(source, target, prompt_tokens, 0):
            served.communication_s += way_s
            now_s += way_s
        return now_s

    def _wait_for(self, step: Step) -> None:
        self._schedule(step.arrival_s, JOB, 0, lambda: self._arrive(step))

    def _continue(self, job: int, begin_s: float, end_s: float) -> None:
        try:
            step = self._lives[job].send((begin_s, end_s))
        except StopIteration as stop:
            self._schedule(stop.value, JOB, 0, lambda: self._end(job))
        else:
            self._wait_for(step)

    def _end(self, job: int) -> None:
        self.served[job].end_s = self._now_s
        for blocks_of in self._blocks_of:
            blocks_of.pop(job, None)
        self._admission.leave(job)
        self._start_admitted_jobs()

    def _arrive(self, step: Step) -> None:
        if step.server == HEAD:
            self._compute(self._head, [step], self._rules.head_s, 0.0)
        elif self._rules.batching == "serial":
            self._compute(*self._work(step.server, [step]))
        else:
            self._blocks_of[step.server][step.job] = step.blocks
            self._waiting[step.server].append(step)
            self._wake(step.server)

    def _wake(self, server: int) -> None:
        at_s = max(self._now_s, self._computers[server].free_at_s)
        self._schedule(at_s, SERVER, server, lambda: self._serve(server))

    def _serve(self, server: int) -> None:
        if self._computers[server].free_at_s > self._now_s or not self._waiting[server]:
            return
        together = self._mixed(server) if self._rules.batching == "mixed" else self._stack(server)
        self._waiting[server] = [step for step in self._waiting[server] if not any(step is taken for taken in together)]
        self._compute(*self._work(server, together))
        self._wake(server)

    def _stack(self, server: int) -> list[Step]:
        """Return the first prompt, or the one-token steps beside the first one."""
        queue = self._waiting[server]
        if queue[0].prompt_tokens:
            return queue[:1]
        tokens = [step for step in queue if not step.prompt_tokens]
        if self._rules.stacking == "all_waiting":
            return tokens
        return tokens[: max(1, math.ceil(sum(self._blocks_of[server].values()) / self._model_blocks))]

    def _mixed(self, server: int) -> list[Step]:
        """Return one-token steps and prompts within the budget.

        Only its first server may cut a prompt. The others take one chunk in any case.
        """
        rest = self._rules.budget_tokens or 0
        together = [step for step in self._waiting[server] if not step.prompt_tokens][:rest]
        left = float(rest - len(together))
        has_chunk = False
        for step in (step for step in self._waiting[server] if step.prompt_tokens):
            if step.may_be_cut and left > 0:
                step.prompt_tokens = min(step.prompt_tokens, left)
            elif step.may_be_cut or (has_chunk and step.prompt_tokens > left):
                break
            has_chunk = True
            left -= step.prompt_tokens
            together.append(step)
        return together

    def _work(self, server: int, together: list[Step]) -> tuple[Computer, list[Step], float, float]:
        """Return a server, its steps, and the times of their computation and handling."""
        seconds = self._computers[server].computation_s(
            max(step.blocks for step in together),
            sum(step.prompt_tokens for step in together),
            sum(step.cached_tokens for step in together),
            sum(not step.prompt_tokens for step in together),
        )
        return self._computers[server], together, seconds, self._rules.handling_s * len(together)

    def _compute(self, computer: Computer, together: list[Step], seconds: float, handling_s: float) -> None:
        begin_s = max(self._now_s, computer.free_at_s)
        end_s = computer.compute(begin_s, seconds, handling_s)
        for step in together:
            self._continue(step.job, begin_s, end_s)


def _computed(step: Step, served: Served) -> Generator[Step, tuple[float, float], float]:
    """Yield a step, count its waiting and computation, and return the end."""
    begin_s, end_s = yield step
    served.queue_s += begin_s - step.arrival_s
    served.compute_s += end_s - begin_s
    return end_s
