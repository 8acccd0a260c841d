"""The JSON of answers, as OpenAI's API has it for text completions."""

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.http.completion import Completion, Model
from serving.http.text import text_of

DONE = b"data: [DONE]\n\n"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """The answer to one completion, whole or in events."""

    model: Model
    completion: Completion
    id: str = field(default_factory=lambda: f"cmpl-{next(_numbers)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, tokens: Sequence[int]) -> dict[str, Any]:
        """Return the body of an answer that does not stream."""
        return self._body([self._choice(tokens, is_last=True)]) | {"usage": self._usage(len(tokens))}

    def event(self, token: int, count: int) -> bytes:
        """Return the event of the latest of `count` tokens."""
        body = self._body([self._choice([token], is_last=count == self.completion.output_tokens)])
        if self.completion.continuous_usage:
            body["usage"] = self._usage(count)
        return event_of(body)

    def end(self) -> bytes:
        """Return what follows the last token's event."""
        if not self.completion.include_usage:
            return DONE
        return event_of(self._body([]) | {"usage": self._usage(self.completion.output_tokens)}) + DONE

    def _body(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model.name}
        return head | {"choices": choices}

    def _choice(self, tokens: Sequence[int], is_last: bool) -> dict[str, Any]:
        choice = {
            "index": 0,
            "text": "".join(map(text_of, tokens)),
            "logprobs": None,
            "finish_reason": "length" if is_last else None,
        }
        return choice | ({"token_ids": list(tokens)} if self.completion.with_tokens else {})

    def _usage(self, output_tokens: int) -> dict[str, int]:
        input_tokens = len(self.completion.prompt)
        total = input_tokens + output_tokens
        return {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": total}


def event_of(body: dict[str, Any]) -> bytes:
    """Return a body as one server-sent event."""
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def listed_model(model: Model, created: int) -> dict[str, Any]:
    """Return a model's entry in the list of models."""
    owner = {"object": "model", "created": created, "owned_by": "server-chains"}
    return {"id": model.name, **owner, "max_model_len": model.most_tokens}
