"""The BLOOM decoder block: layer norms, ALiBi, fused query, key and value, GELU (Le Scao et al. 2022).

Every head has its own keys and values, and the intermediate size is four times the hidden size.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from serving.blocks.attention import Attend, alibi_slopes
from system.models.decoder import Decoder


class BloomBlock(nn.Module):
    """The layers of a block: hidden + attention(norm(hidden)), then + MLP(norm(...))."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        hidden, epsilon = decoder.hidden_size, decoder.norm_epsilon
        self.head_count = decoder.head_count
        self.input_layernorm = nn.LayerNorm(hidden, epsilon)
        self.self_attention = BloomAttention(decoder)
        self.post_attention_layernorm = nn.LayerNorm(hidden, epsilon)
        self.mlp = BloomMlp(hidden)

    def forward(self, hidden: Tensor, positions: Tensor, cache_tokens: int, attend: Attend) -> Tensor:
        """Return the hidden states (B, n, h) after the block.

        Positions only matter to the scores, so `positions` and `cache_tokens` are not used.
        """
        hidden = hidden + self.self_attention(self.input_layernorm(hidden), attend)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))

    def slopes(self, device: torch.device) -> Tensor:
        """Return the slopes of ALiBi (heads,)."""
        return _slopes(self.head_count, device)


class BloomAttention(nn.Module):
    """Attention with one fused matrix for each head's query, key and value."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        hidden = decoder.hidden_size
        self.head_count, self.head_size = decoder.head_count, decoder.head_size
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        """Return the projected attention output (B, n, h)."""
        fused = self.query_key_value(hidden).view(*hidden.shape[:2], self.head_count, 3, self.head_size)
        query, key, value = (part.transpose(1, 2) for part in fused.unbind(dim=3))
        attended = attend(query, key, value)
        return self.dense(attended.transpose(1, 2).reshape(hidden.shape))


class BloomMlp(nn.Module):
    """The MLP of two matrices with GELU between them."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(hidden_size, 4 * hidden_size)
        self.dense_4h_to_h = nn.Linear(4 * hidden_size, hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the output (B, n, h) of the MLP."""
        return self.dense_4h_to_h(gelu(self.dense_h_to_4h(hidden), approximate="tanh"))


@cache  # never freed, because a captured CUDA graph reads the slopes at their address
def _slopes(head_count: int, device: torch.device) -> Tensor:
    return alibi_slopes(head_count, device)
