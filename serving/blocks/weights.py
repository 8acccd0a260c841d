"""Random weights by seed and block: any server that hosts block b holds the same, on the same kind of device."""

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from serving.blocks.block import Block, new_block
from serving.blocks.ends import Ends, new_ends
from system.models.decoder import Decoder

Module = TypeVar("Module", bound=nn.Module)
ENDS = 2**31  # stands for the ends among the blocks' numbers
GAIN = 2.0  # so that blocks change the hidden state enough for tokens to depend on all of them


def random_block(decoder: Decoder, b: int, seed: int, dtype: torch.dtype, device: str | torch.device) -> Block:
    """Block b of the model that the seed makes."""
    return _filled(new_block(decoder, "meta", dtype), (seed, b), device)


def random_ends(decoder: Decoder, seed: int, dtype: torch.dtype, device: str | torch.device) -> Ends:
    """Embedding, norms and head of the model that the seed makes."""
    ends = _filled(new_ends(decoder, "meta", dtype), (seed, ENDS), device)
    ends.last_norm.weight[::2] *= -1  # else a head that is the embedding, as BLOOM's, would repeat the last token
    return ends


def _filled(module: Module, seeds: tuple[int, int], device: str | torch.device) -> Module:
    """Normal matrices; norms near 1 and biases near 0, but not at them."""
    module = module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint32)[0]))
    for name, parameter in module.named_parameters():
        if parameter.dim() == 2:
            parameter.normal_(std=GAIN * parameter.shape[1] ** -0.5, generator=generator)
        else:
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, std=0.1, generator=generator)
    return module
