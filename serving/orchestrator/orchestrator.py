"""The orchestrator: takes jobs as they come, asks the scheme where each goes, and passes it from server to server.

All of a job's tokens pass here between any two servers, as in the paper's system: prompt first, then token by token.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.admission.requests import RequestAdmission
from serving.blocks.ends import Ends
from serving.orchestrator.attempt import Attempt, Delays, Request
from serving.orchestrator.job_record import ServedJob, Status
from serving.orchestrator.reactor import Reactor
from serving.transport import Connection, ConnectionClosedError
from serving.transport.messages import Kind, Message, WireError
from system import InfeasibleError


class Orchestrator:
    """One run over the servers that `links` lead to.

    `timeout_s` is how long a server that owes answers may be silent before it is given up. Jobs of a server that is
    given up or gone begin again on another path, if they are to be rerouted and there is one.
    """

    def __init__(
        self,
        admission: RequestAdmission,
        links: Mapping[int, Connection],
        ends: Ends,
        delays: Delays,
        timeout_s: float,
        reroute: bool = True,
    ) -> None:
        self._admission, self._links, self._ends, self._delays = admission, dict(links), ends, delays
        self._timeout_s, self._reroute = timeout_s, reroute
        self._reactor = Reactor(links, self._receive, self._turned)
        self._through: list[Attempt] = []  # in this turn of the loop: those that are back from their last server
        self._outbox: dict[int, list[Message]] = {j: [] for j in links}  # and what is to be sent
        self._attempts: dict[int, Attempt] = {}
        self._numbers = 0
        self._owed = dict.fromkeys(links, 0)  # steps sent and not answered
        self._heard_s = dict.fromkeys(links, 0.0)
        self.lost: dict[int, str] = {}  # server: why
        self._ended: Callable[[], object] = lambda: None

    def run(
        self, arrival_s: NDArray[np.float64], requests: Sequence[Request], ended: Callable[[], object]
    ) -> list[ServedJob]:
        """Serve the jobs at their times of arrival; `ended` is called at the end of each. Returns their records."""
        self._requests, self._ended = requests, ended
        self.records = [ServedJob(float(time_s)) for time_s in arrival_s]
        self._left = len(self.records)
        self._begin_s = self._reactor.now_s()
        if self.records:
            self._next_arrival(0)
        self._watch()
        self._reactor.run_until(lambda: self._left == 0)
        return self.records

    def stats(self) -> dict[int, dict[str, float]]:
        """What each server that is left says of itself."""
        self._stats: dict[int, dict[str, float]] = {}
        for server in self._links.keys() - self.lost.keys():
            self._owe(server)
            self._outbox[server].append(Message(Kind.STATS))
        self._reactor.run_until(lambda: self._stats.keys() | self.lost.keys() == self._links.keys())
        return self._stats

    def _now_s(self) -> float:
        return self._reactor.now_s() - self._begin_s

    def _at(self, when_s: float, callback: Callable[[], None]) -> None:
        self._reactor.at(self._begin_s + when_s, callback)

    def _next_arrival(self, job: int) -> None:
        self._at(self.records[job].arrival_s, partial(self._arrive, job))

    def _arrive(self, job: int) -> None:
        if job + 1 < len(self.records):
            self._next_arrival(job + 1)
        self._admit(job)
        self._start_jobs(arrived=job)

    def _admit(self, job: int) -> None:
        """The job waits, or has failed if no path is left."""
        try:
            self._admission.arrive(job)
        except InfeasibleError as error:
            self._finish(job, "failed", f"{error} ({self._losses()})")

    def _start_jobs(self, arrived: int | None = None) -> None:
        """A job that starts when it has `arrived` has not waited: that the loop was late counts as service."""
        for start in self._admission.starts(self._now_s()):
            self._numbers += 1
            start_s = self.records[start.job].arrival_s if start.job == arrived else self._now_s()
            attempt = Attempt(self._numbers, start, self._requests[start.job], start_s)
            self._attempts[attempt.number] = attempt
            self.records[start.job].attempts += 1
            self._first_hop(attempt, self._ends.embed(attempt.request.prompt))
        if np.isfinite(self._admission.next_look_s):
            self._at(self._admission.next_look_s, self._start_jobs)

    def _first_hop(self, attempt: Attempt, embedded: Tensor) -> None:
        attempt.hop, attempt.hidden = 0, embedded
        self._visit(attempt)

    def _visit(self, attempt: Attempt) -> None:
        """Half of the round trip, the step, the other half."""
        tokens = len(attempt.request.prompt) if attempt.in_prompt else 1
        attempt.delay_s = self._delays.of_step(attempt.at.server, tokens, attempt.in_prompt) / 2
        self._later(attempt, self._send_step)

    def _later(self, attempt: Attempt, then: Callable[[Attempt], None]) -> None:
        """After half a round trip, unless the attempt has been given up meanwhile."""
        if attempt.delay_s <= 0:
            then(attempt)
            return
        begin_s = self._now_s()

        def arrived() -> None:
            if attempt.number in self._attempts:
                took_s = self._now_s() - begin_s
                attempt.parts.emulated_rtt_s += took_s
                attempt.delay_s -= took_s - attempt.delay_s  # a first half that was late shortens the second
                then(attempt)

        self._at(begin_s + attempt.delay_s, arrived)

    def _send_step(self, attempt: Attempt) -> None:
        at = attempt.at
        last_only = attempt.hop == len(attempt.path) - 1
        sent_s = self._reactor.now_s()
        step = Message(Kind.STEP, attempt.number, at.first_block, at.blocks, last_only, attempt.hidden, sent_s=sent_s)
        if attempt.in_prompt:
            self._outbox[at.server].append(Message(Kind.OPEN, attempt.number, at.first_block, at.blocks))
        self._outbox[at.server].append(step)
        self._owe(at.server)
        attempt.sent_s = sent_s - self._begin_s

    def _owe(self, server: int) -> None:
        """One answer more is to come from there."""
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
            self._links[server].send(*messages)
        except ConnectionClosedError as error:
            self._reactor.at(0.0, partial(self._lose, server, str(error)))

    def _receive(self, server: int) -> None:
        try:
            answers = self._links[server].receive()
        except (ConnectionClosedError, WireError) as error:
            self._lose(server, str(error))
            return
        for answer in answers:
            self._heard_s[server] = self._now_s()
            self._owed[server] -= answer.kind in (Kind.STEP, Kind.STATS)
            if answer.kind == Kind.STATS:
                self._stats[server] = json.loads(answer.text)
            attempt = self._attempts.get(answer.job)
            if attempt is not None and answer.refused:
                self._give_up(attempt, f"{self._name(server)} refused: {answer.text}", again=False)
            elif attempt is not None and answer.kind == Kind.STEP:
                self._answered(attempt, answer)

    def _answered(self, attempt: Attempt, answer: Message) -> None:
        parts, away_s = attempt.parts, self._now_s() - attempt.sent_s
        own_s = answer.queue_s + answer.compute_s + answer.held_s
        parts.queue_s += answer.queue_s
        parts.compute_s += answer.compute_s
        parts.held_s += answer.held_s
        parts.transport_s += away_s - own_s
        parts.hops += 1
        attempt.hidden = answer.hidden
        self._later(attempt, self._returned)

    def _returned(self, attempt: Attempt) -> None:
        """The step's result is back: on to the next server, or a token is complete."""
        if attempt.hop + 1 < len(attempt.path):
            attempt.hop += 1
            self._visit(attempt)
        else:
            self._through.append(attempt)

    def _turned(self) -> None:
        """What one turn of the loop brought is worked on and sent together, so that servers get it together."""
        through = [attempt for attempt in self._through if attempt.number in self._attempts]
        self._through.clear()
        if through:
            self._next_tokens(through)
        self._send_all()

    def _next_tokens(self, attempts: Sequence[Attempt]) -> None:
        tokens = self._ends.next_token(torch.cat([a.hidden for a in attempts if a.hidden is not None]))
        embedded = self._ends.embed(tokens).split(1, dim=1)
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
        """Its slots are free, at the servers that it has reached and at the admission."""
        del self._attempts[attempt.number]
        reached = attempt.path[: attempt.hop + 1] if attempt.in_prompt else attempt.path
        for hop in reached:
            if hop.server not in self.lost:
                self._outbox[hop.server].append(Message(Kind.CLOSE, attempt.number))
        self._admission.leave(attempt.job)

    def _finish(self, job: int, status: Status, reason: str) -> None:
        record = self.records[job]
        record.status, record.reason = status, reason
        self._left -= 1
        self._ended()

    def _give_up(self, attempt: Attempt, reason: str, again: bool) -> None:
        """End the attempt; the job begins from its prompt `again`, or has failed."""
        self._release(attempt)
        if again:
            self._admit(attempt.job)
        else:
            self._finish(attempt.job, "failed", reason)

    def _lose(self, server: int, reason: str) -> None:
        """Go on without a server: its jobs begin again on other paths, or fail where there is none."""
        if server in self.lost:
            return
        self.lost[server] = reason
        self._reactor.forget(server)
        self._links[server].close()
        hopeless = self._admission.lose_server(server)
        for attempt in [a for a in self._attempts.values() if any(hop.server == server for hop in a.path)]:
            self._give_up(attempt, f"{self._name(server)} was lost: {reason}", again=self._reroute)
        for job in hopeless:
            self._finish(job, "failed", f"no path is left ({self._losses()})")
        self._start_jobs()

    def _losses(self) -> str:
        return "; ".join(f"{self._name(server)} was lost: {reason}" for server, reason in self.lost.items())

    def _watch(self) -> None:
        """Give up servers that owe an answer and have said nothing for too long."""
        now_s = self._now_s()
        for server, owed in self._owed.items():
            if server not in self.lost and owed > 0 and now_s - self._heard_s[server] > self._timeout_s:
                self._lose(server, f"no answer for {self._timeout_s:g} s")
        self._at(now_s + self._timeout_s / 10, self._watch)

    def _name(self, server: int) -> str:
        return f"server {server}"
