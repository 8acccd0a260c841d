"""Server-sent events of a streamed completion: from bytes to texts, token counts and errors."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serving.endpoint.failures import EndpointFailure, message_in

DONE = "[DONE]"
EVENT_BYTES = 2**20  # of one event; a token with its probabilities has some 10,000


class EventReader:
    """A reader of the data of server-sent events, whatever pieces they arrive in."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the data of each event that this piece completes.

        Comments and other fields are skipped. Raises `EndpointFailure` for errors and for an event without end.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > EVENT_BYTES:
            raise EndpointFailure(f"sent an event of more than {EVENT_BYTES:,} bytes")
        for line in lines:
            text = line.rstrip(b"\r").decode(errors="replace")
            name, _, value = text.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif name == "error":  # how some engines end a stream that they cannot finish
                raise EndpointFailure("reported an error", message_in(value))
            elif not text and self._data:
                yield "\n".join(self._data)
                self._data.clear()

    @property
    def rest(self) -> str:
        """Return what came after the last complete event."""
        return "\n".join([*self._data, self._rest.decode(errors="replace")]).strip()


@dataclass(frozen=True)
class CompletionEvent:
    """The content of one event of a completion."""

    has_text: bool = False
    is_finish: bool = False  # it has a reason why the completion finished
    tokens: int | None = None  # of the whole completion so far, if the event has a usage


def completion_event(data: str) -> CompletionEvent:
    """Return the content of an event's data.

    Raises `EndpointFailure` for errors that the endpoint reports, and for anything but a completion.
    """
    event = _json_or_none(data)
    if isinstance(event, dict) and event.get("error"):
        raise EndpointFailure("reported an error", message_in(data))
    if not isinstance(event, dict) or not isinstance(event.get("choices"), list):
        raise EndpointFailure("sent something other than a completion", data)
    tokens = _tokens_in(event.get("usage"))
    if not event["choices"]:
        return CompletionEvent(tokens=tokens)
    choice = event["choices"][0]
    if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
        raise EndpointFailure("sent something other than a completion", data)
    return CompletionEvent(choice["text"] != "", choice.get("finish_reason") is not None, tokens)


def _json_or_none(data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _tokens_in(usage: Any) -> int | None:
    """Return the number of generated tokens that a usage states."""
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None
