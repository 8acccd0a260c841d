"""The orchestrator: it admits jobs as they arrive, on the paths of the scheme, and sends their steps to servers.

A job's hidden states pass through the orchestrator between any two servers, as in the paper's system. Its prompt comes
first, whole or in chunks, then one token at a time.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.admission.requests import RequestAdmission
from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.orchestrator.attempt import Attempt, Delays, Request
from serving.orchestrator.job_record import ServedJob, Status
from serving.orchestrator.reactor import Reactor
from serving.transport import Connection, ConnectionClosedError
from serving.transport.messages import Kind, Message, WireError
from system import InfeasibleError


class Orchestrator:
    """One run over the servers at the other ends of `connections`.

    A server counts as lost when its connection closes, or when it owes answers and stays silent for `timeout_s`
    seconds. Jobs on a lost server begin again on another path if `reroute` is true and there is one; else they fail.
    With `prefill_chunk_tokens`, longer prompts are cut: each chunk passes all servers before the next one begins.
    """

    def __init__(
        self,
        admission: RequestAdmission,
        connections: Mapping[int, Connection],
        embedding_and_head: EmbeddingAndHead,
        delays: Delays,
        timeout_s: float,
        reroute: bool = True,
        prefill_chunk_tokens: int | None = None,
    ) -> None:
        self._admission, self._connections, self._delays = admission, dict(connections), delays
        self._embedding_and_head = embedding_and_head
        self._timeout_s, self._reroute, self._chunk_tokens = timeout_s, reroute, prefill_chunk_tokens
        self._reactor = Reactor(connections, self._receive, self._end_turn)
        self._completed: list[Attempt] = []  # attempts that passed their last server in this turn of the loop
        self._outbox: dict[int, list[Message]] = {j: [] for j in connections}  # messages to send at the end of the turn
        self._attempts: dict[int, Attempt] = {}
        self._attempt_count = 0
        self._owed = dict.fromkeys(connections, 0)  # steps and questions for statistics that are not answered yet
        self._heard_s = dict.fromkeys(connections, 0.0)
        self.lost: dict[int, str] = {}  # the reason by server
        self._on_job_end: Callable[[], object] = lambda: None

    def run(
        self, arrival_s: NDArray[np.float64], requests: Sequence[Request], on_job_end: Callable[[], object]
    ) -> list[ServedJob]:
        """Serve the jobs from their arrival times on and return their records.

        `on_job_end` is called at the end of each job. Raises `InputError` if the rule is broken or never starts a job.
        """
        self._requests, self._on_job_end = requests, on_job_end
        self.records = [ServedJob(float(time_s)) for time_s in arrival_s]
        self._unfinished, self._all_arrived = len(self.records), False
        self._begin_s = self._reactor.now_s()
        if self.records:
            self._next_arrival(0)
        self._check_timeouts()
        self._reactor.run_until(lambda: self._unfinished == 0)
        return self.records

    def stats(self) -> dict[int, dict[str, float]]:
        """Return the statistics of each server that is not lost."""
        self._stats: dict[int, dict[str, float]] = {}
        for server in self._connections.keys() - self.lost.keys():
            self._expect_answer(server)
            self._outbox[server].append(Message(Kind.STATS))
        self._reactor.run_until(lambda: self._stats.keys() | self.lost.keys() == self._connections.keys())
        return self._stats

    def _now_s(self) -> float:
        return self._reactor.now_s() - self._begin_s

    def _call_at(self, when_s: float, callback: Callable[[], None]) -> None:
        self._reactor.call_at(self._begin_s + when_s, callback)

    def _next_arrival(self, job: int) -> None:
        self._call_at(self.records[job].arrival_s, partial(self._arrive, job))

    def _arrive(self, job: int) -> None:
        if job + 1 < len(self.records):
            self._next_arrival(job + 1)
        self._all_arrived = job + 1 == len(self.records)
        self._admit(job)
        self._start_jobs(arrived=job)

    def _admit(self, job: int) -> None:
        """Pass a job to the admission; without a path it fails."""
        try:
            self._admission.arrive(job)
        except InfeasibleError as error:
            self._finish(job, "failed", f"{error} ({self._losses()})")

    def _start_jobs(self, arrived: int | None = None) -> None:
        """Start all jobs that the admission lets start now.

        A job that starts as it has just `arrived` has not waited: if the loop was late, that counts as service time.
        """
        for start in self._admission.starts(self._now_s()):
            self._attempt_count += 1
            start_s = self.records[start.job].arrival_s if start.job == arrived else self._now_s()
            attempt = Attempt(self._attempt_count, start, self._requests[start.job], start_s)
            self._attempts[attempt.number] = attempt
            self.records[start.job].attempts += 1
            self._send_prompt(attempt)
        if np.isfinite(self._admission.next_look_s):
            self._call_at(self._admission.next_look_s, self._start_jobs)
        if self._all_arrived:
            self._admission.check_ends(self._unfinished)

    def _send_prompt(self, attempt: Attempt) -> None:
        """Begin with the next chunk of a prompt at the first server."""
        self._first_hop(attempt, self._embedding_and_head.embed(attempt.next_chunk(self._chunk_tokens)))

    def _first_hop(self, attempt: Attempt, embedded: Tensor) -> None:
        attempt.begin_step(embedded)
        self._visit(attempt)

    def _visit(self, attempt: Attempt) -> None:
        """Begin a visit to a server.

        It is half of the emulated round trip, the step, and the other half.
        """
        attempt.late_s = 0.0
        self._after_half_trip(attempt, attempt.unsent_tokens, self._send_step)

    def _after_half_trip(self, attempt: Attempt, tokens: int, then: Callable[[Attempt], None]) -> None:
        """Call `then` after half a round trip unless the attempt has ended."""
        trip_s = self._delays.of_step(attempt.current_hop.server, tokens, attempt.in_prompt)
        delay_s = trip_s / 2 - attempt.late_s  # a first half that was late shortens the second
        if delay_s <= 0:
            then(attempt)
            return
        begin_s = self._now_s()

        def arrived() -> None:
            if attempt.number in self._attempts:
                took_s = self._now_s() - begin_s
                attempt.parts.emulated_rtt_s += took_s
                attempt.late_s = took_s - delay_s
                then(attempt)

        self._call_at(begin_s + delay_s, arrived)

    def _send_step(self, attempt: Attempt) -> None:
        server, sent_s = attempt.current_hop.server, self._reactor.now_s()
        self._outbox[server] += attempt.requests(sent_s)
        self._expect_answer(server)
        attempt.sent_s = sent_s - self._begin_s

    def _expect_answer(self, server: int) -> None:
        """Note that a server owes one more answer."""
        if self._owed[server] == 0:
            self._heard_s[server] = self._now_s()
        self._owed[server] += 1

    def _send_all(self) -> None:
        for server, messages in self._outbox.items():
            if messages and server not in self.lost:
                self._send(server, messages)
            messages.clear()

    def _send(self, server: int, messages: Sequence[Message]) -> None:
        try:
            self._connections[server].send(*messages)
        except ConnectionClosedError as error:
            self._reactor.call_at(0.0, partial(self._lose, server, str(error)))

    def _receive(self, server: int) -> None:
        try:
            for answer in self._connections[server].receive():
                self._read(answer, server)
        except (ConnectionClosedError, WireError) as error:
            self._lose(server, str(error))

    def _read(self, answer: Message, server: int) -> None:
        self._heard_s[server] = self._now_s()
        self._owed[server] -= answer.kind in (Kind.STEP, Kind.STATS)
        if answer.kind == Kind.STATS:
            self._stats[server] = json.loads(answer.text)
        attempt = self._attempts.get(answer.job)
        if attempt is not None and answer.refused:
            self._give_up(attempt, f"server {server} refused: {answer.text}", retry=False)
            if not self._attempts:  # no end of a job is to come, at which others start
                self._start_jobs()
        elif attempt is not None and answer.kind == Kind.STEP:
            attempt.record_answer(answer, self._now_s())
            self._after_half_trip(attempt, attempt.step_tokens, self._go_on)

    def _go_on(self, attempt: Attempt) -> None:
        """Visit the next server, begin a chunk, or note a complete token."""
        if attempt.hop + 1 < len(attempt.path):
            attempt.hop += 1
            self._visit(attempt)
        elif attempt.prompt_remains:
            self._send_prompt(attempt)
        else:
            self._completed.append(attempt)

    def _end_turn(self) -> None:
        """Process together all that one turn of the loop brought.

        The messages that follow from it are sent together, so that servers get them together.
        """
        completed = [attempt for attempt in self._completed if attempt.number in self._attempts]
        self._completed.clear()
        if completed:
            self._next_tokens(completed)
        self._send_all()

    def _next_tokens(self, attempts: Sequence[Attempt]) -> None:
        tokens = self._embedding_and_head.next_token(torch.cat([a.hidden for a in attempts if a.hidden is not None]))
        embedded = self._embedding_and_head.embed(tokens).split(1, dim=1)
        for attempt, token, after in zip(attempts, tokens.tolist(), embedded, strict=True):
            if attempt.in_prompt:
                attempt.first_token_s = self._now_s()
            attempt.tokens.append(token)
            if attempt.done:
                self._end(attempt)
            else:
                self._first_hop(attempt, after)

    def _end(self, attempt: Attempt) -> None:
        record = self.records[attempt.job]
        record.start_s, record.first_token_s, record.end_s = attempt.start_s, attempt.first_token_s, self._now_s()
        record.tokens, record.chain, record.parts = attempt.tokens, attempt.chain, attempt.parts
        self._release(attempt)
        self._finish(attempt.job, "served", "")
        self._start_jobs()

    def _release(self, attempt: Attempt) -> None:
        """Free an attempt's cache slots at the servers and at the admission.

        Only the servers that it has reached hold some.
        """
        del self._attempts[attempt.number]
        for hop in attempt.path[: attempt.opened_hops]:
            if hop.server not in self.lost:
                self._outbox[hop.server].append(Message(Kind.CLOSE, attempt.number))
        self._admission.leave(attempt.job)

    def _finish(self, job: int, status: Status, reason: str) -> None:
        record = self.records[job]
        record.status, record.reason = status, reason
        self._unfinished -= 1
        self._on_job_end()

    def _give_up(self, attempt: Attempt, reason: str, retry: bool) -> None:
        """End an attempt.

        Its job begins again from its prompt if `retry` is true, else it fails.
        """
        self._release(attempt)
        if retry:
            self._admit(attempt.job)
        else:
            self._finish(attempt.job, "failed", reason)

    def _lose(self, server: int, reason: str) -> None:
        """Go on without a server.

        Its jobs begin again on other paths, or fail if there is none.
        """
        if server in self.lost:
            return
        self.lost[server] = reason
        self._reactor.forget(server)
        self._connections[server].close()
        hopeless = self._admission.lose_server(server)
        for attempt in [a for a in self._attempts.values() if any(hop.server == server for hop in a.path)]:
            self._give_up(attempt, f"server {server} was lost: {reason}", retry=self._reroute)
        for job in hopeless:
            self._finish(job, "failed", f"no path is left ({self._losses()})")
        self._start_jobs()

    def _losses(self) -> str:
        return "; ".join(f"server {server} was lost: {reason}" for server, reason in self.lost.items())

    def _check_timeouts(self) -> None:
        """Give up servers that owe answers and are silent for too long."""
        now_s = self._now_s()
        for server, owed in self._owed.items():
            if server not in self.lost and owed > 0 and now_s - self._heard_s[server] > self._timeout_s:
                self._lose(server, f"no answer for {self._timeout_s:g} s")
        self._call_at(now_s + self._timeout_s / 10, self._check_timeouts)
