"""One transformer block: `new_block` makes that of a model's family.

A block works on hidden states and on cache slots that the caller owns; it allocates no cache of its own. Both families
answer to the same two calls:

- `prefill(hidden (1, n, h), keys, values, position)`: n tokens of one job, whose slot is keys and values
  (kv heads, cache tokens, head size). They take its positions from `position` on: a prompt, a further part of it, or a
  single token.
- `decode(hidden (B, 1, h), keys, values, slot (B,), position (B,), longest)`: one token of each of B jobs, row i at
  `position[i]` of slot `slot[i]` of a whole slab (slots, kv heads, cache tokens, head size). Attention reads the first
  `longest` positions of each slot, which must hold all of the jobs' tokens; the default, all positions, has shapes that
  do not depend on the jobs and asks the device for no number, as a CUDA graph needs.
"""

import torch
from torch import Tensor, nn

from serving.blocks.attention import attend_each, attend_prompt, attend_tokens
from serving.blocks.bloom import BloomBlock
from serving.blocks.llama import LlamaBlock
from serving.blocks.supported import require_supported
from system.models.decoder import Decoder

LAYERS: dict[str, type[LlamaBlock] | type[BloomBlock]] = {"llama": LlamaBlock, "bloom": BloomBlock}


class Block(nn.Module):
    """The family's layers, and how new keys and values reach the cache."""

    def __init__(self, layers: LlamaBlock | BloomBlock) -> None:
        super().__init__()
        self.layers = layers

    def prefill(self, hidden: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """(1, n, h) after the block."""
        end = position + hidden.shape[1]

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys[:, position:end], values[:, position:end] = key[0], value[0]
            return attend_prompt(query, keys[None], values[None], position, self.layers.slopes(query.device))

        at = torch.arange(position, end, device=hidden.device)[None]
        return self.layers(hidden, at, keys.shape[-2], attend)

    def decode(
        self, hidden: Tensor, keys: Tensor, values: Tensor, slot: Tensor, position: Tensor, longest: int | None = None
    ) -> Tensor:
        """(B, 1, h) after the block."""

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys[slot, :, position], values[slot, :, position] = key[:, :, 0], value[:, :, 0]
            cache, slopes = (keys[:, :, :longest], values[:, :, :longest]), self.layers.slopes(query.device)
            if longest is not None and query.device.type == "cpu":
                return attend_each(query, *cache, slot.tolist(), position.tolist(), slopes)
            return attend_tokens(query, *cache, slot, position, slopes)

        return self.layers(hidden, position[:, None], keys.shape[-2], attend)


def new_block(decoder: Decoder, device: str | torch.device, dtype: torch.dtype) -> Block:
    """A block with parameters as torch initialises them; on the device `meta` without memory."""
    require_supported(decoder)
    with torch.device(device):
        return Block(LAYERS[decoder.family](decoder)).to(dtype).requires_grad_(False)
