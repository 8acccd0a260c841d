"""The BLOOM decoder block: layer norms, ALiBi, fused query, key and value, GELU (Le Scao et al. 2022)."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from serving.blocks.attention import Attend, alibi_slopes
from system.models.decoder import Decoder


class BloomBlock(nn.Module):
    """hidden + attention(norm(hidden)), then + MLP(norm(...))."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        hidden, epsilon = decoder.hidden_size, decoder.norm_epsilon
        self.head_count = decoder.head_count
        self.input_layernorm = nn.LayerNorm(hidden, epsilon)
        self.self_attention = BloomAttention(decoder)
        self.post_attention_layernorm = nn.LayerNorm(hidden, epsilon)
        self.mlp = BloomMlp(hidden)

    def forward(self, hidden: Tensor, at: Tensor, cache_tokens: int, attend: Attend) -> Tensor:
        """(B, n, h); positions matter to the scores only, so `at` and `cache_tokens` are not looked at."""
        hidden = hidden + self.self_attention(self.input_layernorm(hidden), attend)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))

    def slopes(self, device: torch.device) -> Tensor:
        """(heads,) of ALiBi."""
        return _slopes(self.head_count, device)


class BloomAttention(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        hidden = decoder.hidden_size
        self.head_count, self.head_size = decoder.head_count, decoder.head_size
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        fused = self.query_key_value(hidden).view(*hidden.shape[:2], self.head_count, 3, self.head_size)
        query, key, value = (part.transpose(1, 2) for part in fused.unbind(dim=3))
        attended = attend(query, key, value)
        return self.dense(attended.transpose(1, 2).reshape(hidden.shape))


class BloomMlp(nn.Module):
    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(hidden_size, 4 * hidden_size)
        self.dense_4h_to_h = nn.Linear(4 * hidden_size, hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.dense_4h_to_h(gelu(self.dense_h_to_4h(hidden), approximate="tanh"))


@cache  # for good: a captured CUDA graph reads them where they lie
def _slopes(head_count: int, device: torch.device) -> Tensor:
    return alibi_slopes(head_count, device)
