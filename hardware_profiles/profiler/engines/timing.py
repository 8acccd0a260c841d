"""Timed requests to an endpoint: steps of several requests at a time, prompts, and batches of a new shape."""

import asyncio
from collections.abc import Sequence
from itertools import count

import numpy as np

from serving.endpoint.client import RequestLimits, new_session, stream
from serving.endpoint.endpoint import Endpoint, StreamedJob
from system import InputError

TOKENS = 48  # of a request whose steps are timed
SETTLED = 3  # tokens of each request before its steps are timed
SHORT_PROMPT = 16
SHAPE_TOKENS = 8  # of a request whose first steps are timed


class TimedEndpoint:
    """An endpoint without other requests; every prompt is another one."""

    def __init__(self, endpoint: Endpoint, vocabulary_size: int) -> None:
        self._endpoint, self._vocabulary_size = endpoint, vocabulary_size
        self._seeds = count()

    def step_s(self, requests: int) -> float:
        """Return the mean time of a step of so many requests."""
        return mean_step_s([job.token_times_s for job in self._served([SHORT_PROMPT] * requests, TOKENS)])

    def prompt_s(self, tokens: int) -> float:
        """Return the time from sending a prompt to its first token."""
        [job] = self._served([tokens], 1)
        return job.first_token_s - job.start_s

    def shape_s(self) -> tuple[float, float]:
        """Return the time of the step after a prompt, and of later ones."""
        [job] = self._served([SHORT_PROMPT], SHAPE_TOKENS)
        gaps_s = np.diff(job.token_times_s)
        return float(gaps_s[0]), float(np.median(gaps_s[1:]))

    def _served(self, prompts: Sequence[int], output_tokens: int) -> list[StreamedJob]:
        """Send requests at once; raise `InputError` unless all are served."""
        jobs = asyncio.run(self._send(prompts, output_tokens))
        if failed := next((job for job in jobs if not job.served), None):
            raise InputError(f"engine: a timed request failed: {failed.reason}")
        return jobs

    async def _send(self, prompts: Sequence[int], output_tokens: int) -> list[StreamedJob]:
        jobs, now_s = [StreamedJob(0.0) for _ in prompts], asyncio.get_running_loop().time
        async with new_session() as session:
            requests = (
                stream(session, self._endpoint, self._prompt(tokens), output_tokens, RequestLimits(), job, now_s)
                for tokens, job in zip(prompts, jobs, strict=True)
            )
            await asyncio.gather(*requests)
        return jobs

    def _prompt(self, tokens: int) -> list[int]:
        """Return a prompt of random tokens."""
        rng = np.random.default_rng(next(self._seeds))
        return [int(token) for token in rng.integers(self._vocabulary_size, size=tokens)]


def mean_step_s(token_times_s: Sequence[Sequence[float]]) -> float:
    """Return the mean time between tokens of requests, while all of them decode.

    A mean keeps its value where a busy client reads several tokens at once. Raises `InputError` if they never decode
    together.
    """
    begin_s = max(times_s[SETTLED] for times_s in token_times_s)
    end_s = min(times_s[-1] for times_s in token_times_s)
    together = [[at_s for at_s in times_s if begin_s <= at_s <= end_s] for times_s in token_times_s]
    steps = sum(len(times_s) - 1 for times_s in together if times_s)
    if steps < len(together):
        raise InputError("engine: timed requests did not decode together; stop other programs and measure again")
    return sum(times_s[-1] - times_s[0] for times_s in together if times_s) / steps
