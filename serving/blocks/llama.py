"""The LLaMA decoder block: RMS norms, rotary positions, grouped query heads, gated SiLU (Touvron et al. 2023)."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from serving.blocks.attention import Attend
from system.models.decoder import Decoder


class LlamaBlock(nn.Module):
    """The layers of a block: hidden + attention(norm(hidden)), then + MLP(norm(...))."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        hidden, epsilon = decoder.hidden_size, decoder.norm_epsilon
        self.self_attn = LlamaAttention(decoder)
        self.mlp = LlamaMlp(hidden, decoder.intermediate_size)
        self.input_layernorm = nn.RMSNorm(hidden, epsilon)
        self.post_attention_layernorm = nn.RMSNorm(hidden, epsilon)

    def forward(self, hidden: Tensor, positions: Tensor, cache_tokens: int, attend: Attend) -> Tensor:
        """Return the hidden states (B, n, h) after the block.

        The tokens are at `positions` (B, n) of a cache of `cache_tokens` tokens.
        """
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), positions, cache_tokens, attend)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))

    def slopes(self, device: torch.device) -> None:
        """Return None, for no bias: the keys contain the positions."""


class LlamaAttention(nn.Module):
    """Attention with rotary positions, in which several heads of queries can share keys and values."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        hidden, kv_size = decoder.hidden_size, decoder.kv_size
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, kv_size, bias=False)
        self.v_proj = nn.Linear(hidden, kv_size, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, hidden: Tensor, positions: Tensor, cache_tokens: int, attend: Attend) -> Tensor:
        """Return the projected attention output (B, n, h)."""
        shape, model = hidden.shape[:2], self.decoder
        query = self.q_proj(hidden).view(*shape, model.head_count, model.head_size).transpose(1, 2)
        key = self.k_proj(hidden).view(*shape, model.kv_head_count, model.head_size).transpose(1, 2)
        value = self.v_proj(hidden).view(*shape, model.kv_head_count, model.head_size).transpose(1, 2)
        reach = 1 << (cache_tokens - 1).bit_length()  # few tables for any cache sizes
        cosine, sine = rotary_table(model.head_size, model.rope_theta, reach, hidden.device, hidden.dtype)
        cosine, sine = cosine[positions][:, None], sine[positions][:, None]
        attended = attend(_rotated(query, cosine, sine), _rotated(key, cosine, sine), value)
        return self.o_proj(attended.transpose(1, 2).reshape(hidden.shape))


class LlamaMlp(nn.Module):
    """The MLP of three matrices, one of which gates with SiLU."""

    def __init__(self, hidden_size: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the output (B, n, h) of the MLP."""
        return self.down_proj(silu(self.gate_proj(hidden)) * self.up_proj(hidden))


@cache  # never freed, because a captured CUDA graph reads the table at its address
def rotary_table(
    head_size: int, theta: float, tokens: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (tokens, head size) of each position's angles.

    Angles are computed in 32 bits. The two halves of a head share them.
    """
    frequency = theta ** -(torch.arange(0, head_size, 2, device=device, dtype=torch.float32) / head_size)
    angle = torch.arange(tokens, device=device, dtype=torch.float32)[:, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def _rotated(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    left, right = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat([-right, left], dim=-1) * sine
