"""Load on one endpoint: requests at their arrival times, or by users who wait for their answers."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from serving.endpoint.client import RequestLimits, new_session, stream
from serving.endpoint.endpoint import Endpoint, StreamedJob
from serving.endpoint.streamed import ClientLag, StreamedRun, job_times
from system.checks import require_count, require_one_of, require_share

if TYPE_CHECKING:
    import aiohttp

Loop = Literal["open", "closed"]
TICK_S = 0.01
TIMER_S = 0.001  # resolution of the loop's timers, which is no lag
MOST_USERS = 10_000


class SlowClientWarning(UserWarning):
    """A warning that the client was late itself, so that measured times are partly its own."""


class PlannedRequest(NamedTuple):
    """The prompt of a job as token ids, and the number of tokens to generate."""

    prompt_tokens: Sequence[int]
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class LoadSettings(RequestLimits):
    """How jobs are sent.

    - `loop`: `open` sends each job at its arrival, whatever became of others; `closed` keeps `users` requests at the
      endpoint, each followed by the next one when it ends, so that a job arrives when it is sent.
    - `lag_share`: the client warns if it lags by more than this share of the times that it measures.
    """

    loop: Loop = "open"
    users: int = 8
    lag_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(get_args(Loop), loop=self.loop)
        require_count(MOST_USERS, users=self.users)
        require_share(lag_share=self.lag_share)


def random_requests(
    lengths: NDArray[np.float64], vocabulary: tuple[int, int], rng: np.random.Generator
) -> Iterator[PlannedRequest]:
    """Yield requests with prompts of random token ids.

    `lengths` (n, 2) are input tokens and output tokens - 1. Ids are at least the first number of `vocabulary` and below
    the second.
    """
    for prompt, further in lengths.astype(np.int64).tolist():
        yield PlannedRequest(rng.integers(*vocabulary, size=prompt).tolist(), further + 1)


def replay(
    endpoint: Endpoint, arrival_s: NDArray[np.float64], requests: Iterable[PlannedRequest], settings: LoadSettings
) -> StreamedRun:
    """Send n requests in order of arrival, and return their run.

    Warns by `SlowClientWarning` if the client lagged. Ctrl-C closes all connections.
    """
    jobs = [StreamedJob(float(arrival)) for arrival in arrival_s]
    with tqdm(total=len(jobs), unit="job", disable=None, leave=False) as bar:
        waking_s = asyncio.run(_replay(endpoint, jobs, requests, settings, lambda: bar.update()))
    lag = ClientLag(np.array([job.start_s - job.arrival_s for job in jobs]), waking_s)
    run = StreamedRun(job_times(jobs), records=jobs, lag=lag)
    for sentence in _lag_sentences(run, settings.lag_share):
        warnings.warn(sentence, SlowClientWarning, stacklevel=2)
    return run


async def _replay(
    endpoint: Endpoint,
    jobs: Sequence[StreamedJob],
    requests: Iterable[PlannedRequest],
    settings: LoadSettings,
    on_end: Callable[[], object],
) -> NDArray[np.float64]:
    """Send all jobs and return the lags of the loop."""
    async with new_session() as session, _measured_lag() as lags_s:
        sender = _Sender(session, endpoint, settings, on_end, time.monotonic())
        queue = zip(jobs, requests, strict=True)
        await (sender.send_at_arrival(queue) if settings.loop == "open" else sender.keep_users(queue))
    return np.array(lags_s)


@dataclass(frozen=True)
class _Sender:
    """Sends jobs of one run."""

    session: "aiohttp.ClientSession"
    endpoint: Endpoint
    settings: LoadSettings
    on_end: Callable[[], object]
    began_s: float

    def now_s(self) -> float:
        """Return the time since the beginning of the run."""
        return time.monotonic() - self.began_s

    async def send(self, job: StreamedJob, request: PlannedRequest) -> None:
        """Send one job and wait for its end."""
        await stream(self.session, self.endpoint, *request, self.settings, job, self.now_s)
        self.on_end()

    async def send_at_arrival(self, queue: Iterable[tuple[StreamedJob, PlannedRequest]]) -> None:
        """Send each job at its arrival, without waiting for others."""
        async with asyncio.TaskGroup() as tasks:
            for job, request in queue:
                await asyncio.sleep(job.arrival_s - self.now_s())
                tasks.create_task(self.send(job, request))

    async def keep_users(self, queue: Iterable[tuple[StreamedJob, PlannedRequest]]) -> None:
        """Send as many jobs at a time as there are users."""
        shared = iter(queue)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.settings.users):
                tasks.create_task(self._send_in_turn(shared))

    async def _send_in_turn(self, shared: Iterator[tuple[StreamedJob, PlannedRequest]]) -> None:
        """Send one job after the other of those that all users share."""
        for job, request in shared:
            await self.send(job, request)
            job.arrival_s = job.start_s


@asynccontextmanager
async def _measured_lag() -> AsyncIterator[list[float]]:
    """Measure how late this loop wakes up, as a list of seconds."""
    lags_s: list[float] = []

    async def tick() -> None:
        while True:
            due_s = time.monotonic() + TICK_S + TIMER_S
            await asyncio.sleep(TICK_S)
            lags_s.append(max(time.monotonic() - due_s, 0.0))

    ticker = asyncio.create_task(tick())
    try:
        yield lags_s
    finally:
        ticker.cancel()


def _lag_sentences(run: StreamedRun, lag_share: float) -> Iterator[str]:
    """Yield a sentence for each lag above a share of the measured times."""
    served = run.times.of_jobs(run.served)
    if not served.arrival_s.size:
        return
    first_s, token_s = served.mean_s("first_token"), served.mean_s("output_token")
    compared = (
        ("sent requests", run.lag.sending_s, first_s, "the mean time to the first token"),
        ("woke up", run.lag.waking_s, token_s if token_s > 0 else first_s, "the mean time per token"),
    )
    for verb, lags_s, time_s, name in compared:
        late_s = float(np.nanmean(lags_s)) if lags_s.size else 0.0
        if late_s > lag_share * time_s:
            yield (
                f"the client {verb} {1000 * late_s:.2g} ms late on average, more than {lag_share:.0%} of {name}, "
                f"{1000 * time_s:.2g} ms; give it a CPU core of its own or send less"
            )
