"""The front: requests from asyncio's loop into the orchestrator's, and tokens back."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import torch

from serving.http.completion import Completion, Model
from serving.http.errors import ApiError
from serving.http.metrics import Metrics
from serving.orchestrator.attempt import Job, Request
from serving.orchestrator.live import LiveJobs
from serving.orchestrator.orchestrator import Orchestrator

END = None  # in a queue of tokens


@dataclass
class Front:
    """The served model, its orchestrator and the requests that are open, at most `most`."""

    model: Model
    orchestrator: Orchestrator
    live: LiveJobs
    metrics: Metrics
    most: int
    open_count: int = field(default=0, init=False)

    async def tokens(self, completion: Completion) -> AsyncGenerator[int, None]:
        """Yield the tokens of a completion as they come.

        If this is closed before the end, the request is cancelled. Raises `ApiError` if too many requests are open, or
        if the request fails.
        """
        if self.open_count >= self.most:
            self.metrics.count("refused")
            raise ApiError(429, f"{self.most} requests are open; send this one again later")
        self.open_count += 1
        stream = _Stream()
        job = self.live.submit(stream.request(completion), stream.on_token, stream.on_end)
        try:
            while (token := await stream.queue.get()) is not END:
                yield token
        finally:
            self.open_count -= 1
            self._close(completion, job)
        if not job.record.served:
            raise ApiError(503 if self.orchestrator.lost else 500, job.record.reason)

    def _close(self, completion: Completion, job: Job) -> None:
        """Count a request that has ended, or cancel one whose client has gone."""
        if job.record.status is None:
            self.live.cancel(job)
            self.metrics.count("cancelled")
        elif job.record.served:
            self.metrics.count_served(completion, job.record)
        else:
            self.metrics.count("failed")


class _Stream:
    """The tokens of one job on their way from the orchestrator's thread to asyncio's loop."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._loop, self._sent = asyncio.get_running_loop(), 0

    @staticmethod
    def request(completion: Completion) -> Request:
        """Return the orchestrator's request of a completion."""
        return Request(torch.tensor(completion.prompt), completion.output_tokens)

    def on_token(self, count: int, token: int) -> None:
        """Pass a token on, unless an earlier attempt has passed it already."""
        if count > self._sent:
            self._sent = count
            self._put(token)

    def on_end(self) -> None:
        """Pass the end on."""
        self._put(END)

    def _put(self, token: int | None) -> None:
        self._loop.call_soon_threadsafe(self.queue.put_nowait, token)
