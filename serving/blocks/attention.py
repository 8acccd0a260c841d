"""Attention of new tokens to a job's cache slots; what LLaMA and BLOOM blocks share.

`slopes` are ALiBi's, one a head: a score falls by the slope for each token of distance (Press et al. 2022). Below the
softmax only differences count, so that the key's position alone would be enough, as Hugging Face has it; but far into a
context slope · position is in the hundreds, where 16 bits no longer tell neighbours apart. Without slopes there is no
bias.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # of a block's new queries, keys and values
QUERIES_AT_ONCE = 256  # bounds the score matrix of a long prompt where a mask has to be built


def attend_prompt(query: Tensor, keys: Tensor, values: Tensor, position: int, slopes: Tensor | None) -> Tensor:
    """(1, heads, n, d) for n tokens of one job from `position` on; its keys and values are (1, kv heads, tokens, d).

    Each token sees those before it and itself.
    """
    count = query.shape[2]
    end = position + count
    keys, values = keys[:, :, :end], values[:, :, :end]
    if count == 1:
        steps = torch.arange(-position, 1, device=query.device)
        bias = None if slopes is None else (slopes[None, :, None, None] * steps).to(query.dtype)
        return _attend_one(query, keys, values, bias)
    if slopes is None and position == 0:
        return scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)
    parts = []
    for first in range(0, count, QUERIES_AT_ONCE):
        part = query[:, :, first : first + QUERIES_AT_ONCE]
        at = torch.arange(position + first, position + first + part.shape[2], device=query.device)
        bias = _bias(at[None], end, slopes, query)
        parts.append(scaled_dot_product_attention(part, keys, values, attn_mask=bias, enable_gqa=True))
    return torch.cat(parts, dim=2)


def attend_each(
    query: Tensor, keys: Tensor, values: Tensor, slots: list[int], positions: list[int], slopes: Tensor | None
) -> Tensor:
    """What `attend_tokens` returns, one job after the other, each over its own tokens where they lie.

    On a CPU the copy that gathers a batch's cache costs more than all that it saves.
    """
    rows = [
        attend_prompt(query[row : row + 1], keys[slot : slot + 1], values[slot : slot + 1], position, slopes)
        for row, (slot, position) in enumerate(zip(slots, positions, strict=True))
    ]
    return torch.cat(rows)


def attend_tokens(
    query: Tensor, keys: Tensor, values: Tensor, slot: Tensor, position: Tensor, slopes: Tensor | None
) -> Tensor:
    """(B, heads, 1, d) for a token of each of B jobs, at `position` (B,) of `slot` (B,) of a slab's keys and values.

    Shapes do not depend on slots and positions, and no number leaves the device.
    """
    bias = _bias(position[:, None], keys.shape[2], slopes, query)
    return _attend_one(query, keys.index_select(0, slot), values.index_select(0, slot), bias)


def _attend_one(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attention of one query a head; heads that share keys pose as several queries, so that none repeats the keys."""
    grouped = query.reshape(len(query), keys.shape[1], -1, query.shape[3])
    return scaled_dot_product_attention(grouped, keys, values, attn_mask=bias).reshape(query.shape)


def _bias(at: Tensor, tokens: int, slopes: Tensor | None, query: Tensor) -> Tensor:
    """(B, heads or 1, n, tokens) what is added to the scores of queries at positions `at` (B, n)."""
    ahead = torch.arange(tokens, device=query.device) - at[:, None, :, None]
    rising = torch.zeros_like(ahead) if slopes is None else slopes[:, None, None] * ahead
    return rising.to(query.dtype).masked_fill(ahead > 0, -torch.inf)


def alibi_slopes(head_count: int, device: torch.device) -> Tensor:
    """(heads,) the geometric series of ALiBi; a head count that is no power of two interleaves the next finer one."""
    whole = 1 << (head_count.bit_length() - 1)
    exponents = [8 * (i + 1) / whole for i in range(whole)]
    exponents += [4 * (2 * i + 1) / whole for i in range(head_count - whole)]
    return torch.tensor([2.0**-exponent for exponent in exponents], device=device)
