"""The orchestrator: it admits jobs as they arrive, on the paths of the scheme, and sends their steps to servers.

A job's hidden states pass through the orchestrator between any two servers, as in the paper's system. Its prompt comes
first, whole or in chunks, then one token at a time. `run` serves jobs that are known beforehand; `serve` serves those
that other threads submit meanwhile. Both use `arrive`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.requests import RequestAdmission
from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.orchestrator.attempt import Attempt, Delays, Job, Request
from serving.orchestrator.inbox import Inbox
from serving.orchestrator.job_record import ServedJob, Status
from serving.orchestrator.links import ServerLinks
from serving.orchestrator.reactor import Reactor
from serving.orchestrator.steps import Steps
from serving.transport import Connection, ConnectionClosedError
from serving.transport.messages import Kind, Message, WireError
from system import InfeasibleError

CANCELLED = "cancelled: nobody waits for the answer"


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
        self._admission, self._timeout_s, self._reroute = admission, timeout_s, reroute
        self._reactor, self._links = Reactor(connections, self._receive, self._end_turn), ServerLinks(connections)
        self._steps = Steps(self._reactor, self._links, embedding_and_head, delays, prefill_chunk_tokens)
        self._attempts, self._attempt_count = self._steps.attempts, 0
        self._jobs: dict[int, Job] = {}  # that have arrived and not ended, by number
        self._all_arrived = False
        self._stats: dict[int, dict[str, float]] = {}

    @property
    def lost(self) -> Mapping[int, str]:
        """Return the reason for each lost server."""
        return self._links.lost

    @property
    def has_path(self) -> bool:
        """Return whether any path remains."""
        return self._admission.has_path

    def now_s(self) -> float:
        """Return the time since the run began; any thread may ask."""
        return self._reactor.now_s()

    def counts(self) -> tuple[int, Counter[int]]:
        """Return the number of waiting jobs, and of jobs in service by chain.

        Any thread may ask.
        """
        attempts = list(self._attempts.values())
        return max(len(self._jobs) - len(attempts), 0), Counter(attempt.chain for attempt in attempts)

    def run(
        self, arrival_s: NDArray[np.float64], requests: Sequence[Request], on_job_end: Callable[[], object]
    ) -> list[ServedJob]:
        """Serve the jobs from their arrival times on and return their records.

        `on_job_end` is called at the end of each job. Raises `InputError` if the rule is broken or never starts a job.
        """
        records = [ServedJob(float(time_s)) for time_s in arrival_s]
        jobs = [Job(request, record, lambda _: on_job_end()) for request, record in zip(requests, records, strict=True)]
        self._begin()
        self._arrive_in_order(jobs, 0)
        self._reactor.run_until(lambda: self._all_arrived and not self._jobs)
        return records

    def serve(self, inbox: Inbox) -> None:
        """Serve what other threads call through an inbox until it is closed.

        The calls are `arrive` and `cancel`. Raises `InputError` if the rule is broken.
        """
        self._begin()
        self._reactor.listen(inbox)
        self._reactor.run_until(lambda: inbox.closed)

    def stats(self) -> dict[int, dict[str, float]]:
        """Return the statistics of each server that is not lost."""
        self._stats = {}
        for server in self._links.remaining:
            self._links.ask(server, self.now_s(), Message(Kind.STATS))
        self._reactor.run_until(lambda: self._stats.keys() >= self._links.remaining)
        return self._stats

    def arrive(self, number: int, job: Job) -> None:
        """Take a job that arrives now; the admission knows it by its number."""
        self._jobs[number] = job
        self._admit(number)
        self._start_jobs(arrived=number)

    def cancel(self, job: Job) -> None:
        """End a job that nobody waits for any more, unless it has ended.

        Its slots are free at once, or when the server that has its step answers.
        """
        number = next((number for number, other in self._jobs.items() if other is job), None)
        attempt = next((attempt for attempt in self._attempts.values() if attempt.job == number), None)
        if attempt is not None and attempt.is_at_server:
            attempt.is_cancelled = True
        elif attempt is not None:
            self._give_up(attempt, CANCELLED, retry=False)
            self._start_jobs()
        elif number is not None:
            self._admission.withdraw(number)
            self._finish(number, "failed", CANCELLED)
            self._start_jobs()

    def _begin(self) -> None:
        self._reactor.restart()
        self._all_arrived = False
        self._check_timeouts()

    def _arrive_in_order(self, jobs: Sequence[Job], number: int) -> None:
        """Let job `number` and the later ones arrive in time."""
        if number == len(jobs):
            self._all_arrived = True
        else:
            self._reactor.call_at(jobs[number].record.arrival_s, partial(self._arrive_first, jobs, number))

    def _arrive_first(self, jobs: Sequence[Job], number: int) -> None:
        self._arrive_in_order(jobs, number + 1)
        self.arrive(number, jobs[number])

    def _admit(self, job: int) -> None:
        """Pass a job to the admission; without a path it fails."""
        try:
            self._admission.arrive(job)
        except InfeasibleError as error:
            self._finish(job, "failed", f"{error} ({self._links.losses()})")

    def _start_jobs(self, arrived: int | None = None) -> None:
        """Start all jobs that the admission lets start now.

        A job that starts as it has just `arrived` has not waited: if the loop was late, that counts as service time.
        """
        for start in self._admission.starts(self.now_s()):
            self._attempt_count += 1
            job = self._jobs[start.job]
            start_s = job.record.arrival_s if start.job == arrived else self.now_s()
            job.record.attempts += 1
            self._steps.begin(Attempt(self._attempt_count, start, job.request, start_s))
        if np.isfinite(self._admission.next_look_s):
            self._reactor.call_at(self._admission.next_look_s, self._start_jobs)
        if self._all_arrived:
            self._admission.check_ends(len(self._jobs))

    def _end_turn(self) -> None:
        """Process together all that one turn of the loop brought.

        The messages that follow from it are sent together, so that servers get them together.
        """
        self._steps.complete_tokens(self._token)
        for server, reason in self._links.send_all():
            self._reactor.call_at(0.0, partial(self._lose, server, reason))

    def _receive(self, server: int) -> None:
        try:
            for answer in self._links.receive(server, self.now_s()):
                self._read(answer, server)
        except (ConnectionClosedError, WireError) as error:
            self._lose(server, str(error))

    def _read(self, answer: Message, server: int) -> None:
        if answer.kind == Kind.STATS:
            self._stats[server] = json.loads(answer.text)
        attempt = self._attempts.get(answer.job)
        if attempt is not None and answer.refused:
            self._give_up(attempt, f"server {server} refused: {answer.text}", retry=False)
            if not self._attempts:  # no end of a job is to come, at which others start
                self._start_jobs()
        elif attempt is not None and answer.kind == Kind.STEP and attempt.is_cancelled:
            self._give_up(attempt, CANCELLED, retry=False)
            self._start_jobs()
        elif attempt is not None and answer.kind == Kind.STEP:
            self._steps.go_on(attempt, answer)

    def _token(self, attempt: Attempt) -> None:
        """Report an attempt's newest token, and end the attempt after the last one."""
        self._jobs[attempt.job].on_token(len(attempt.tokens), attempt.tokens[-1])
        if attempt.done:
            self._end(attempt)

    def _end(self, attempt: Attempt) -> None:
        record = self._jobs[attempt.job].record
        record.start_s, record.first_token_s, record.end_s = attempt.start_s, attempt.first_token_s, self.now_s()
        record.tokens, record.chain, record.parts = attempt.tokens, attempt.chain, attempt.parts
        self._release(attempt)
        self._finish(attempt.job, "served", "")
        self._start_jobs()

    def _release(self, attempt: Attempt) -> None:
        """Free an attempt's cache slots at the servers and at the admission."""
        self._steps.end(attempt)
        self._admission.leave(attempt.job)

    def _finish(self, job: int, status: Status, reason: str) -> None:
        ended = self._jobs.pop(job)
        ended.record.status, ended.record.reason = status, reason
        ended.on_end(job)

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
        self._links.lose(server, reason)
        self._reactor.forget(server)
        hopeless = self._admission.lose_server(server)
        for attempt in [a for a in self._attempts.values() if any(hop.server == server for hop in a.path)]:
            retry = self._reroute and not attempt.is_cancelled
            self._give_up(attempt, f"server {server} was lost: {reason}", retry)
        for job in hopeless:
            self._finish(job, "failed", f"no path is left ({self._links.losses()})")
        self._start_jobs()

    def _check_timeouts(self) -> None:
        """Give up servers that owe answers and are silent for too long."""
        for server in self._links.silent(self.now_s() - self._timeout_s):
            self._lose(server, f"no answer for {self._timeout_s:g} s")
        self._reactor.call_at(self.now_s() + self._timeout_s / 10, self._check_timeouts)
