"""One transformer block: `new_block` creates that of a decoder's family.

A block works on hidden states and on cache slots that the caller owns; it allocates no cache of its own. The blocks of
both families have the same two methods:

- `prefill(hidden (1, n, h), keys, values, position)`: n tokens of one job, whose slot is keys and values
  (kv heads, cache tokens, head size). The tokens take the positions from `position` on. They are a prompt, a further
  part of it, or a single token.
- `decode(hidden (B, 1, h), keys, values, slot (B,), position (B,), longest)`: one token of each of B jobs, row i at
  `position[i]` of slot `slot[i]` of a whole slab (slots, kv heads, cache tokens, head size). Attention reads the first
  `longest` positions of each slot, which must hold all tokens of the jobs. By default it reads all positions: then
  shapes do not depend on the jobs and no number is copied from the device, as a CUDA graph needs.
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
    """The layers of a family's block, together with the writing of new keys and values to the cache."""

    def __init__(self, layers: LlamaBlock | BloomBlock) -> None:
        super().__init__()
        self.layers = layers

    def prefill(self, hidden: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """Return the hidden states (1, n, h) after the block."""
        end = position + hidden.shape[1]

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys[:, position:end], values[:, position:end] = key[0], value[0]
            return attend_prompt(query, keys[None], values[None], position, self.layers.slopes(query.device))

        positions = torch.arange(position, end, device=hidden.device)[None]
        return self.layers(hidden, positions, keys.shape[-2], attend)

    def decode(
        self, hidden: Tensor, keys: Tensor, values: Tensor, slot: Tensor, position: Tensor, longest: int | None = None
    ) -> Tensor:
        """Return the hidden states (B, 1, h) after the block."""

        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys[slot, :, position], values[slot, :, position] = key[:, :, 0], value[:, :, 0]
            cache, slopes = (keys[:, :, :longest], values[:, :, :longest]), self.layers.slopes(query.device)
            if longest is not None and query.device.type == "cpu":
                return attend_each(query, *cache, slot.tolist(), position.tolist(), slopes)
            return attend_tokens(query, *cache, slot, position, slopes)

        return self.layers(hidden, position[:, None], keys.shape[-2], attend)


def new_block(decoder: Decoder, device: str | torch.device, dtype: torch.dtype) -> Block:
    """Return a block with parameters as torch initialises them.

    On the device `meta` it takes no memory. Raises `InputError` if there are no torch blocks for the decoder.
    """
    require_supported(decoder)
    with torch.device(device):
        return Block(LAYERS[decoder.family](decoder)).to(dtype).requires_grad_(False)
