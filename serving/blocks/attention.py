"""Attention of new tokens to a job's cache slots, shared by LLaMA and BLOOM blocks.

`slopes` are those of ALiBi, one for each head: a score falls by the slope for each token of distance (Press et al.
2022). Only differences between scores matter to the softmax, so a bias by the key's position alone would be enough, as
in Hugging Face's implementation. But far into a context, slope · position is in the hundreds, where 16 bits cannot tell
neighbouring positions apart; so the bias here is by distance. Without slopes there is no bias.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # takes a block's new queries, keys and values
QUERIES_AT_ONCE = 256  # limits the score matrix of a long prompt where a mask has to be built


def attend_prompt(query: Tensor, keys: Tensor, values: Tensor, position: int, slopes: Tensor | None) -> Tensor:
    """Return the attention output of n tokens of one job.

    It is (1, heads, n, d). The tokens start at `position`; keys and values of the job are (1, kv heads, tokens, d).
    Each token attends to itself and to those before it.
    """
    count = query.shape[2]
    end = position + count
    keys, values = keys[:, :, :end], values[:, :, :end]
    if count == 1:
        distances = torch.arange(-position, 1, device=query.device)
        bias = None if slopes is None else (slopes[None, :, None, None] * distances).to(query.dtype)
        return _attend_one(query, keys, values, bias)
    if slopes is None and position == 0:
        return scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)
    parts = []
    for first in range(0, count, QUERIES_AT_ONCE):
        part = query[:, :, first : first + QUERIES_AT_ONCE]
        positions = torch.arange(position + first, position + first + part.shape[2], device=query.device)
        bias = _bias(positions[None], end, slopes, query)
        parts.append(scaled_dot_product_attention(part, keys, values, attn_mask=bias, enable_gqa=True))
    return torch.cat(parts, dim=2)


def attend_each(
    query: Tensor, keys: Tensor, values: Tensor, slots: list[int], positions: list[int], slopes: Tensor | None
) -> Tensor:
    """Return the result of `attend_tokens`, computed one job after another.

    Each job attends to its own tokens in place. On a CPU, copying a batch's caches together costs more than computing
    them together saves.
    """
    rows = [
        attend_prompt(query[row : row + 1], keys[slot : slot + 1], values[slot : slot + 1], position, slopes)
        for row, (slot, position) in enumerate(zip(slots, positions, strict=True))
    ]
    return torch.cat(rows)


def attend_tokens(
    query: Tensor, keys: Tensor, values: Tensor, slot: Tensor, position: Tensor, slopes: Tensor | None
) -> Tensor:
    """Return the attention output of one token of each job.

    It is (B, heads, 1, d) for B jobs. Each token is at `position` (B,) of `slot` (B,) of a slab's keys and values.
    Shapes do not depend on slots and positions, and no number is copied from the device to the host.
    """
    bias = _bias(position[:, None], keys.shape[2], slopes, query)
    return _attend_one(query, keys.index_select(0, slot), values.index_select(0, slot), bias)


def _attend_one(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Return the attention output of one query of each head.

    Heads that share keys are passed as several queries of one head, so that keys need not be repeated.
    """
    grouped = query.reshape(len(query), keys.shape[1], -1, query.shape[3])
    return scaled_dot_product_attention(grouped, keys, values, attn_mask=bias).reshape(query.shape)


def _bias(positions: Tensor, tokens: int, slopes: Tensor | None, query: Tensor) -> Tensor:
    """Return the bias (B, heads or 1, n, tokens) that is added to scores.

    The queries are at `positions` (B, n).
    """
    ahead = torch.arange(tokens, device=query.device) - positions[:, None, :, None]
    rising = torch.zeros_like(ahead) if slopes is None else slopes[:, None, None] * ahead
    return rising.to(query.dtype).masked_fill(ahead > 0, -torch.inf)


def alibi_slopes(head_count: int, device: torch.device) -> Tensor:
    """Return the slopes of ALiBi (heads,), a geometric series.

    If the head count is no power of two, slopes of the next finer series are appended.
    """
    whole = 1 << (head_count.bit_length() - 1)
    exponents = [8 * (i + 1) / whole for i in range(whole)]
    exponents += [4 * (2 * i + 1) / whole for i in range(head_count - whole)]
    return torch.tensor([2.0**-exponent for exponent in exponents], device=device)
