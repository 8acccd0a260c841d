"""One streaming completion of an OpenAI-compatible endpoint, timed; its failures become reasons.

It needs the extra `engines` (aiohttp).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.endpoint.endpoint import Endpoint, StreamedJob
from serving.endpoint.events import DONE, CompletionEvent, EventReader, completion_event
from serving.endpoint.failures import EndpointFailure, message_in, refusal, transport_failure
from serving.installed import require_installed
from system.checks import require_positive

if TYPE_CHECKING:
    import aiohttp

BODY_BYTES = 2**16  # read of an answer that is no stream
MOST_EVENTS = 16  # for each token that was asked; some gateways send a token in several

# Words of which texts consist; most tokenizers have each as one token with the blank before it.
WORDS = "the of and to in is that for it as was with be by on not he his but at are this have from or had an they which"


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """The longest times that a request waits: to connect, for its first token, and between tokens."""

    connect_s: float = 10.0
    first_token_s: float = 300.0  # from sending, so that it includes the endpoint's queue
    silence_s: float = 60.0

    def __post_init__(self) -> None:
        require_positive(connect_s=self.connect_s, first_token_s=self.first_token_s, silence_s=self.silence_s)


def new_session() -> "aiohttp.ClientSession":
    """Return a session that opens a new connection for each request.

    Connections that are kept fail against some engines. There are no cookies and no proxies.
    """
    require_installed("aiohttp", "engines")
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def stream(
    session: "aiohttp.ClientSession",
    endpoint: Endpoint,
    prompt_tokens: Sequence[int],
    output_tokens: int,
    limits: RequestLimits,
    job: StreamedJob,
    now_s: Callable[[], float],
) -> None:
    """Send one completion, and fill in the job's times, tokens, status and reason.

    Nothing that the endpoint does raises an error: a job without all of its tokens has the status `failed`, one
    sentence as its reason, and no end.

    Each event with text counts as one token, unless the endpoint sends a usage, whose number is then taken. The first
    event with text is the first token, and the last one with text or a reason to finish is the end.
    """
    import aiohttp

    job.start_s = now_s()
    try:
        async with asyncio.timeout(limits.first_token_s) as deadline:
            reception = _Reception(job, output_tokens, deadline, limits.silence_s)
            await _exchange(session, endpoint, prompt_tokens, limits, reception, now_s)
            reception.end()
        return
    except EndpointFailure as error:
        failure = error
    except aiohttp.ConnectionTimeoutError as error:
        failure = transport_failure(error, limits.connect_s)
    except TimeoutError:
        failure = _silence(job, limits)
    except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
        failure = transport_failure(error, limits.connect_s)
    job.status, job.reason = "failed", failure.reason(endpoint.key)


async def _exchange(
    session: "aiohttp.ClientSession",
    endpoint: Endpoint,
    prompt_tokens: Sequence[int],
    limits: RequestLimits,
    reception: "_Reception",
    now_s: Callable[[], float],
) -> None:
    """Send the request and receive its events.

    Raises `EndpointFailure` or an error of the connection.
    """
    import aiohttp

    async with session.post(
        f"{endpoint.url.rstrip('/')}/completions",
        json=_body(endpoint, prompt_tokens, reception.output_tokens),
        headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
        timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect_s),
        allow_redirects=False,  # the key is for this address only
    ) as response:
        if response.status != 200:
            raise refusal(response.status, await _beginning(response))
        reader = EventReader()
        async for piece in response.content.iter_any():
            arrived_s = now_s()
            for data in reader.feed(piece):
                if data.strip() == DONE:
                    return
                reception.take(completion_event(data), arrived_s)
        if reader.rest:  # an answer without events, or one that stops in an event
            summary = "sent no events" if reception.is_empty else "stopped in an event"
            raise EndpointFailure(summary, message_in(reader.rest))


def _body(endpoint: Endpoint, prompt_tokens: Sequence[int], output_tokens: int) -> dict[str, Any]:
    """Return the fields of a request.

    The endpoint's options replace those of the same name, and None leaves one out.
    """
    tokens = [int(token) for token in prompt_tokens]
    body = {
        "model": endpoint.model or None,
        "prompt": tokens if endpoint.prompt == "tokens" else text_of(tokens),
        "max_tokens": output_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **endpoint.options,
    }
    return {name: value for name, value in body.items() if value is not None}


def text_of(tokens: Sequence[int]) -> str:
    """Return a text of as many words as tokens.

    Its length is approximate, as tokenizers may take several tokens for a word.
    """
    words = WORDS.split()
    return " ".join(words[token % len(words)] for token in tokens)


async def _beginning(response: "aiohttp.ClientResponse") -> str:
    """Return the beginning of an answer as text."""
    return (await response.content.read(BODY_BYTES)).decode(errors="replace")


def _silence(job: StreamedJob, limits: RequestLimits) -> EndpointFailure:
    """Return the failure of an endpoint from which nothing more came."""
    if job.tokens == 0:
        return EndpointFailure(f"sent no token within {limits.first_token_s:g} s")
    return EndpointFailure(f"sent nothing more for {limits.silence_s:g} s")


class _Reception:
    """What arrives of one completion, noted in its job; each token moves the deadline."""

    def __init__(self, job: StreamedJob, output_tokens: int, deadline: asyncio.Timeout, silence_s: float) -> None:
        self.output_tokens, self.is_empty = output_tokens, True
        self._job, self._deadline, self._silence_s = job, deadline, silence_s
        self._last_s = job.start_s
        self._usage: int | None = None

    def take(self, event: CompletionEvent, arrived_s: float) -> None:
        """Note an event that arrived."""
        self.is_empty = False
        if event.has_text:
            if self._job.tokens == 0:
                self._job.first_token_s = arrived_s
            self._job.tokens += 1
            self._job.token_times_s.append(arrived_s)
            if len(self._job.token_times_s) > MOST_EVENTS * self.output_tokens:
                raise EndpointFailure("sent more tokens than asked")
        if event.has_text or event.is_finish:
            self._last_s = arrived_s
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._silence_s)
        self._usage = event.tokens if event.tokens is not None else self._usage

    def end(self) -> None:
        """Note that the job was served; raise `EndpointFailure` if tokens are missing."""
        if self._usage is not None and self._job.tokens > 0:
            self._job.tokens = self._usage
        if self.is_empty:
            raise EndpointFailure("sent no events")
        if self._job.tokens < self.output_tokens:
            raise EndpointFailure("sent fewer tokens than asked")
        if self._job.tokens > self.output_tokens:
            raise EndpointFailure("sent more tokens than asked")
        self._job.status, self._job.end_s = "served", self._last_s
