"""Requests with individual lengths, and the treatments of those that are longer than a cache slot.

A request is over-long if its input and output tokens together exceed the slot. The treatments:

- `truncate`: the output is kept, and the prompt is shortened to the rest of the slot, but to at least 1 token. An
  output that does not fit beside a prompt of 1 token is shortened too.
- `drop`: the request is left out; the others keep their times.
- `size_to_trace`: no request is changed; the cache slot grows to the longest request.
- `untreated`: neither requests nor slots are changed, so requests run that a real slot could not hold. The paper's
  Table I pairs slots of 2048 tokens with such lengths; 38 % of them are above 2048.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_one_of
from system.errors import InputError

Tokens = NDArray[np.int64] | NDArray[np.int32]
OverLength = Literal["truncate", "drop", "size_to_trace", "untreated"]


@dataclass(frozen=True)
class Requests:
    """n requests in order of arrival."""

    arrival_s: NDArray[np.float64]  # (n,)
    input_tokens: Tokens  # (n,), at least 1
    output_tokens: Tokens  # (n,), at least 1

    def __len__(self) -> int:
        return self.arrival_s.size

    @property
    def columns(self) -> tuple[NDArray[np.float64], Tokens, Tokens]:
        """Return arrivals, input tokens and output tokens."""
        return self.arrival_s, self.input_tokens, self.output_tokens

    @property
    def total_tokens(self) -> Tokens:
        """Return (n,) the tokens that a cache slot must hold."""
        return self.input_tokens + self.output_tokens

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Return (n, 2) input tokens and output tokens - 1, as in `Jobs`."""
        return np.column_stack([self.input_tokens, self.output_tokens - 1]).astype(np.float64)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1)."""
        mean_input, mean_further = self.lengths.mean(axis=0).tolist()
        return 1.0, mean_input, mean_further

    @property
    def prompt_cv(self) -> float:
        """Return the standard deviation of the input tokens over their mean."""
        return float(self.input_tokens.std() / self.input_tokens.mean())

    def select(self, rows: slice | NDArray[np.bool_]) -> "Requests":
        """Return the requests of these rows."""
        return Requests(self.arrival_s[rows], self.input_tokens[rows], self.output_tokens[rows])


def require_treatment(over_length: str) -> None:
    """Raise `InputError` unless `over_length` is one of the four treatments."""
    require_one_of(get_args(OverLength), over_length=over_length)


def require_slot(slot_tokens: int) -> None:
    """Raise `InputError` for a slot of one token, which cannot hold a request."""
    remedy = "a request needs at least 2 tokens, one of prompt and one of output; use a larger slot"
    require(slot_tokens >= 2, "slot_tokens", slot_tokens, remedy)


def over_length_share(requests: Requests, slot_tokens: int) -> float:
    """Return the share of the requests that are longer than the slot."""
    return float((requests.total_tokens > slot_tokens).mean())


def fitted(requests: Requests, over_length: OverLength, slot_tokens: int | None) -> Requests:
    """Return the requests with over-long ones treated; unchanged without a slot.

    Raises `InputError` if `drop` leaves no request.
    """
    if slot_tokens is None or over_length in ("size_to_trace", "untreated"):
        return requests
    if over_length == "truncate":
        return _truncated(requests, slot_tokens)
    kept = requests.select(requests.total_tokens <= slot_tokens)
    if len(kept) == 0:
        raise InputError(
            f"over_length = drop: every request is longer than the cache slot of {slot_tokens} "
            f"{'token' if slot_tokens == 1 else 'tokens'}; use truncate or size_to_trace"
        )
    return kept


def _truncated(requests: Requests, slot_tokens: int) -> Requests:
    """Cut requests to at most `slot_tokens` tokens in all."""
    require_slot(slot_tokens)
    output: Tokens = np.minimum(requests.output_tokens, slot_tokens - 1)
    return replace(requests, input_tokens=np.minimum(requests.input_tokens, slot_tokens - output), output_tokens=output)
