"""Random weights from a seed and a block's number.

All servers that host block b hold the same weights, provided that they have the same kind of device.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from serving.blocks.block import Block, new_block
from serving.blocks.embedding_and_head import EmbeddingAndHead, new_embedding_and_head
from system.models.decoder import Decoder

Module = TypeVar("Module", bound=nn.Module)
EMBEDDING_AND_HEAD = 2**31  # in place of a block's number
GAIN = 2.0  # blocks then change the hidden state enough for tokens to depend on all of them


def random_block(decoder: Decoder, b: int, seed: int, dtype: torch.dtype, device: str | torch.device) -> Block:
    """Return block b with the random weights of a seed."""
    return _filled(new_block(decoder, "meta", dtype), (seed, b), device)


def random_embedding_and_head(
    decoder: Decoder, seed: int, dtype: torch.dtype, device: str | torch.device
) -> EmbeddingAndHead:
    """Return embedding, norms and head with the random weights of a seed."""
    module = _filled(new_embedding_and_head(decoder, "meta", dtype), (seed, EMBEDDING_AND_HEAD), device)
    # Otherwise a head that is the embedding's matrix, as in BLOOM, would repeat the last token.
    module.last_norm.weight[::2] *= -1
    return module


def _filled(module: Module, seeds: tuple[int, int], device: str | torch.device) -> Module:
    """Return the module with normally distributed matrices.

    Norms are near 1 and biases near 0, but not exactly.
    """
    module = module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint32)[0]))
    for name, parameter in module.named_parameters():
        if parameter.dim() == 2:
            parameter.normal_(std=GAIN * parameter.shape[1] ** -0.5, generator=generator)
        else:
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, std=0.1, generator=generator)
    return module
