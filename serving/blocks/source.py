"""The weights that a server's spec names: random by a seed, or read from a checkpoint."""

import torch

from serving.blocks.block import Block
from serving.blocks.checkpoint import Checkpoint
from serving.blocks.ends import Ends
from serving.blocks.weights import random_block, random_ends
from serving.server.device import torch_device
from serving.server.spec import ServerSpec


def block_of(spec: ServerSpec, b: int) -> Block:
    """Block b of the model that a server's spec names, on its device."""
    device, dtype = torch_device(spec.device), getattr(torch, spec.dtype)
    if spec.checkpoint is not None:
        return Checkpoint(spec.checkpoint).block(b, dtype, device)
    return random_block(spec.decoder, b, int(spec.weights), dtype, device)


def ends_of(spec: ServerSpec) -> Ends:
    """Embedding and head of that model, on its device."""
    device, dtype = torch_device(spec.device), getattr(torch, spec.dtype)
    if spec.checkpoint is not None:
        return Checkpoint(spec.checkpoint).ends(dtype, device)
    return random_ends(spec.decoder, int(spec.weights), dtype, device)
