"""Attention of new tokens to a job's cache slots; what LLaMA and BLOOM blocks share.

`slopes` are ALiBi's, one a head: a score falls by the slope for each token of distance. Below the softmax only
differences count, so the key's position alone is enough (Press et al. 2022). Without slopes there is no bias.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

QUERIES_AT_ONCE = 256  # bounds the score matrix of a long prompt where a mask has to be built


def attend_prompt(query: Tensor, keys: Tensor, values: Tensor, position: int, slopes: Tensor | None) -> Tensor:
    """(1, heads, n, d) for n tokens of one job from `position` on; its keys and values are (1, kv heads, tokens, d).

    Each token sees those before it and itself.
    """
    count = query.shape[2]
    end = position + count
    keys, values = keys[:, :, :end], values[:, :, :end]
    if slopes is None and (position == 0 or count == 1):
        return scaled_dot_product_attention(query, keys, values, is_causal=count > 1, enable_gqa=True)
    parts = []
    for first in range(0, count, QUERIES_AT_ONCE):
        part = query[:, :, first : first + QUERIES_AT_ONCE]
        at = torch.arange(position + first, position + first + part.shape[2], device=query.device)
        bias = _bias(at[None], end, slopes, query)
        parts.append(scaled_dot_product_attention(part, keys, values, attn_mask=bias, enable_gqa=True))
    return torch.cat(parts, dim=2)


def attend_tokens(query: Tensor, keys: Tensor, values: Tensor, position: Tensor, slopes: Tensor | None) -> Tensor:
    """(B, heads, 1, d) for a token of each of B jobs at `position` (B,); keys and values: (B, kv heads, tokens, d).

    Shapes do not depend on the positions, and no number leaves the device.
    """
    bias = _bias(position[:, None], keys.shape[2], slopes, query)
    return scaled_dot_product_attention(query, keys, values, attn_mask=bias, enable_gqa=True)


def _bias(at: Tensor, tokens: int, slopes: Tensor | None, query: Tensor) -> Tensor:
    """(B, heads or 1, n, tokens) what is added to the scores of queries at positions `at` (B, n)."""
    key = torch.arange(tokens, device=query.device)
    later = key > at[:, None, :, None]
    rising = torch.zeros(1, device=query.device) if slopes is None else slopes[:, None, None] * key
    return rising.masked_fill(later, -torch.inf).to(query.dtype)


def alibi_slopes(head_count: int, device: torch.device) -> Tensor:
    """(heads,) the geometric series of ALiBi; a head count that is no power of two interleaves the next finer one."""
    whole = 1 << (head_count.bit_length() - 1)
    exponents = [8 * (i + 1) / whole for i in range(whole)]
    exponents += [4 * (2 * i + 1) / whole for i in range(head_count - whole)]
    return torch.tensor([2.0**-exponent for exponent in exponents], device=device)
