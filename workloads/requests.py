"""Requests with lengths of their own, and what becomes of those that are longer than a cache slot.

A request is over-long if its input and output tokens together exceed the slot. The treatments:

- `truncate`: the output stays and the prompt is shortened to what is left, to at least 1 token; an output that does
  not fit beside 1 token of prompt is shortened too.
- `drop`: it is left out, and the others keep their times.
- `size_to_trace`: nothing is changed, the cache slot grows to the longest request.
- `untreated`: nothing is changed, the slot neither: requests run that a real slot could not hold. The paper's Table I
  pairs slots of 2048 tokens with such lengths, 38 % of which are above that.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_one_of
from system.errors import InputError

OverLength = Literal["truncate", "drop", "size_to_trace", "untreated"]


@dataclass(frozen=True)
class Requests:
    """n requests in order of arrival."""

    arrival_s: NDArray[np.float64]  # (n,)
    input_tokens: NDArray[np.int64]  # (n,), at least 1
    output_tokens: NDArray[np.int64]  # (n,), at least 1

    def __len__(self) -> int:
        return self.arrival_s.size

    @property
    def total_tokens(self) -> NDArray[np.int64]:
        """(n,) what a cache slot must hold."""
        return self.input_tokens + self.output_tokens

    @property
    def lengths(self) -> NDArray[np.float64]:
        """(n, 2) input tokens and output tokens - 1, as `Jobs` has them."""
        return np.column_stack([self.input_tokens, self.output_tokens - 1]).astype(np.float64)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """(1, mean input tokens, mean output tokens - 1)."""
        mean_input, mean_further = self.lengths.mean(axis=0).tolist()
        return 1.0, mean_input, mean_further

    def select(self, rows: slice | NDArray[np.bool_]) -> "Requests":
        """The requests of these rows."""
        return Requests(self.arrival_s[rows], self.input_tokens[rows], self.output_tokens[rows])


def require_treatment(over_length: str) -> None:
    """Raise unless it is one of the four."""
    require_one_of(get_args(OverLength), over_length=over_length)


def over_length_share(requests: Requests, slot_tokens: int) -> float:
    """Share of the requests that are longer than the slot."""
    return float((requests.total_tokens > slot_tokens).mean())


def fitted(requests: Requests, over_length: OverLength, slot_tokens: int | None) -> Requests:
    """The requests with the over-long ones treated; all as they are where no slot is given."""
    if slot_tokens is None or over_length in ("size_to_trace", "untreated"):
        return requests
    if over_length == "truncate":
        return _truncated(requests, slot_tokens)
    kept = requests.select(requests.total_tokens <= slot_tokens)
    if len(kept) == 0:
        raise InputError(
            f"over_length = drop: every request is longer than the cache slot of {slot_tokens} tokens, "
            "take truncate or size_to_trace"
        )
    return kept


def _truncated(requests: Requests, slot_tokens: int) -> Requests:
    """Requests of at most `slot_tokens` tokens in all; a slot of one token cannot hold a request."""
    require(slot_tokens >= 2, "slot_tokens", slot_tokens, "a request needs 2 tokens, one of prompt and one of output")
    output: NDArray[np.int64] = np.minimum(requests.output_tokens, slot_tokens - 1)
    return replace(requests, input_tokens=np.minimum(requests.input_tokens, slot_tokens - output), output_tokens=output)
