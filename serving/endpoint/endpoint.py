"""An endpoint that streams completions, and what became of one request to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Status = Literal["served", "failed"]
PromptKind = Literal["tokens", "text"]


@dataclass(frozen=True)
class Endpoint:
    """The address of an OpenAI-compatible API, such as http://127.0.0.1:8080/v1.

    `options` are fields that every request has beside those of the API, such as `cache_prompt` for llama.cpp. `prompt`
    = text is for endpoints that take no token ids. The key is never shown or stored.
    """

    url: str
    model: str = ""
    key: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt: PromptKind = "tokens"


@dataclass
class StreamedJob:
    """One request from its arrival to its end.

    Times are in seconds of one clock, from the beginning of the run; a time is NaN until its event has happened.
    """

    arrival_s: float
    start_s: float = np.nan  # when the request was sent
    first_token_s: float = np.nan
    end_s: float = np.nan
    tokens: int = 0
    token_times_s: list[float] = field(default_factory=list, repr=False)  # arrivals of events with text
    chain: int = -1  # that the orchestrator chose; -1 without chains
    status: Status | None = None
    reason: str = ""

    @property
    def served(self) -> bool:
        """Return whether all tokens of the request came."""
        return self.status == "served"
