"""Dispatch of jobs over the chains of an engine: one loop sends each job to the endpoint of the chain that it gets."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from evaluators.admission.requests import RequestAdmission, Start
from serving.endpoint.client import RequestLimits, new_session, stream
from serving.endpoint.endpoint import Endpoint, StreamedJob
from serving.endpoint.load import PlannedRequest, measured_lag
from serving.endpoint.streamed import ClientLag, StreamedRun, job_times
from system.errors import InfeasibleError
from system.layout import Layout
from workloads.jobs import Jobs

WATCH_S = 0.1  # between two looks at the processes
GRACE_S = 2.0  # in which a process whose connections broke is seen to have ended

Send = Callable[[int, PlannedRequest, StreamedJob], Awaitable[None]]  # to a chain; it fills in the job's record
Losses = Callable[[], Mapping[int, str]]  # the chains whose processes have ended, with the reasons


@dataclass(frozen=True)
class DispatchedRun(StreamedRun):
    """A run over several chains. The times of failed jobs are NaN."""

    attempts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # (n,)
    lost: Mapping[int, str] = field(default_factory=dict)  # reasons by chain


def dispatch(
    layout: Layout,
    jobs: Jobs,
    requests: Sequence[PlannedRequest],
    endpoints: Sequence[Endpoint],
    limits: RequestLimits,
    losses: Losses,
    reroute: bool = True,
) -> DispatchedRun:
    """Serve jobs in real time over a layout's chains.

    Each chain has an endpoint, and chains share no servers. Times count from the beginning of the run. A job's service
    time begins when it is admitted.
    """

    async def run() -> DispatchedRun:
        async with new_session() as session, measured_lag() as waking_s:

            async def send(chain: int, request: PlannedRequest, record: StreamedJob) -> None:
                await stream(session, endpoints[chain], *request, limits, record, dispatcher.now_s)

            dispatcher = Dispatcher(layout, jobs, send, losses, reroute)
            with tqdm(total=len(jobs), unit="job", disable=None, leave=False) as bar:
                await dispatcher.run(requests, bar.update)
        return dispatcher.finished_run(ClientLag(dispatcher.sending_s, np.array(waking_s)))

    return asyncio.run(run())


class Attempt(NamedTuple):
    """One attempt to serve a job on a chain."""

    start: Start
    record: StreamedJob
    task: asyncio.Task[None]


class Dispatcher:
    """Serves jobs over chains that share no servers; the admission decides who starts when, and where.

    A chain whose process has ended is lost. Its jobs begin again on another chain if `reroute` is true and there is
    one; else they fail. All state changes in one coroutine, event by event.
    """

    def __init__(self, layout: Layout, jobs: Jobs, send: Send, losses: Losses, reroute: bool = True) -> None:
        self._admission, self._arrival_s = RequestAdmission(layout, jobs), jobs.arrival_s
        chains = layout.composition()
        self._first_server = [chains.chain(k).servers[0] for k in range(len(chains))]
        self._send, self._losses, self._reroute = send, losses, reroute
        self._events: asyncio.Queue[Callable[[], int | None]] = asyncio.Queue()
        self._attempts: dict[int, Attempt] = {}  # in service, by job
        self._look_s = np.inf
        self.lost: dict[int, str] = {}  # the reason by chain

    async def run(self, requests: Sequence[PlannedRequest], on_end: Callable[[], object]) -> None:
        """Serve the jobs from their arrival times on; their `records` are then complete.

        Raises `InputError` if the rule is broken or never starts a job.
        """
        self._loop, self._requests, self._on_end = asyncio.get_running_loop(), requests, on_end
        self._begin_s = self._loop.time()
        self.records = [StreamedJob(float(time_s)) for time_s in self._arrival_s]
        self.attempts = np.zeros(len(self.records), np.int64)
        self.sending_s = np.full(len(self.records), np.nan)  # from the start of each job to its sending
        self._unfinished, self._to_arrive = len(self.records), len(self.records)
        others = [asyncio.create_task(self._bring_arrivals()), asyncio.create_task(self._watch())]
        try:
            while self._unfinished > 0:
                event = await self._events.get()
                self._start_jobs(arrived=event())
        finally:
            running = [*others, *(attempt.task for attempt in self._attempts.values())]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def finished_run(self, lag: ClientLag) -> DispatchedRun:
        """Return the run after its end."""
        chain = np.array([record.chain for record in self.records], np.int64)
        times = replace(job_times(self.records), chain=chain, chain_count=len(self._first_server))
        return DispatchedRun(times, records=self.records, lag=lag, attempts=self.attempts, lost=self.lost)

    def now_s(self) -> float:
        """Return the time since the beginning of the run."""
        return self._loop.time() - self._begin_s

    async def _bring_arrivals(self) -> None:
        for job, record in enumerate(self.records):
            await asyncio.sleep(record.arrival_s - self.now_s())
            self._events.put_nowait(partial(self._arrive, job))

    async def _watch(self) -> None:
        """Look for chains that were lost, again and again."""
        while True:
            for chain, reason in self._losses().items():
                if chain not in self.lost:
                    self.lost[chain] = reason
                    self._events.put_nowait(partial(self._lose, chain))
            await asyncio.sleep(WATCH_S)

    def _arrive(self, job: int) -> int:
        self._to_arrive -= 1
        self._admit(job)
        return job

    def _admit(self, job: int) -> None:
        """Pass a job to the admission; without a chain it fails."""
        try:
            self._admission.arrive(job)
        except InfeasibleError as error:
            self._fail(job, f"{error} ({'; '.join(self.lost.values())})")

    def _start_jobs(self, arrived: int | None) -> None:
        """Start all jobs that the admission lets start now.

        A job that starts as it has just `arrived` has not waited: if the loop was late, that counts as service time.
        """
        for start in self._admission.starts(self.now_s()):
            record = self.records[start.job]
            record.start_s = record.arrival_s if start.job == arrived else self.now_s()
            record.chain = start.chain
            self.attempts[start.job] += 1
            tried = StreamedJob(record.arrival_s, chain=start.chain)
            task = asyncio.create_task(self._try(start, tried))
            self._attempts[start.job] = Attempt(start, tried, task)
        self._look_again()
        if self._to_arrive == 0:
            self._admission.check_ends(self._unfinished)

    def _look_again(self) -> None:
        """See that the admission is asked when it wants to be."""
        look_s = self._admission.next_look_s
        if np.isfinite(look_s) and look_s != self._look_s:
            self._loop.call_at(self._begin_s + look_s, self._events.put_nowait, lambda: None)
        self._look_s = look_s

    async def _try(self, start: Start, record: StreamedJob) -> None:
        """Send a job to its chain, and report its end.

        A job whose connection broke waits until its chain is known to be lost or not.
        """
        await self._send(start.chain, self._requests[start.job], record)
        if not record.served:
            await asyncio.sleep(GRACE_S)
        self._events.put_nowait(partial(self._end, start))

    def _end(self, start: Start) -> None:
        if (attempt := self._attempts.get(start.job)) is None or attempt.start is not start:
            return  # its chain was lost before this event's turn
        tried, start_s = self._release(start.job).record, self.records[start.job].start_s
        self.sending_s[start.job] = tried.start_s - start_s
        if tried.served:
            self.records[start.job] = replace(tried, start_s=start_s)
            self._finish()
        else:
            self._fail(start.job, tried.reason)

    def _release(self, job: int) -> Attempt:
        """End an attempt and free its slot."""
        attempt = self._attempts.pop(job)
        attempt.task.cancel()
        self._admission.leave(job)
        return attempt

    def _fail(self, job: int, reason: str) -> None:
        record = self.records[job]
        record.status, record.reason = "failed", reason
        self._finish()

    def _finish(self) -> None:
        self._unfinished -= 1
        self._on_end()

    def _lose(self, chain: int) -> None:
        """Go on without a chain.

        Its jobs begin again on other chains, or fail if there is none.
        """
        hopeless = self._admission.lose_server(self._first_server[chain])
        for job in [job for job, attempt in self._attempts.items() if attempt.start.chain == chain]:
            self._release(job)
            if self._reroute:
                self._admit(job)
            else:
                self._fail(job, self.lost[chain])
        for job in hopeless:
            self._fail(job, f"no chain is left ({'; '.join(self.lost.values())})")
