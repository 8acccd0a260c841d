"""The weights that a server's spec names: random from a seed, or read from a checkpoint."""

import torch

from serving.blocks.block import Block
from serving.blocks.checkpoint import Checkpoint
from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.blocks.weights import random_block, random_embedding_and_head
from serving.server.device import torch_device
from serving.server.spec import ServerSpec


def block_of(spec: ServerSpec, b: int) -> Block:
    """Return block b of the model in a server's spec, on its device."""
    device, dtype = torch_device(spec.device), getattr(torch, spec.dtype)
    if spec.checkpoint is not None:
        return Checkpoint(spec.checkpoint).block(b, dtype, device)
    return random_block(spec.decoder, b, int(spec.weights), dtype, device)


def embedding_and_head_of(spec: ServerSpec) -> EmbeddingAndHead:
    """Return the embedding and head of that model, on its device."""
    device, dtype = torch_device(spec.device), getattr(torch, spec.dtype)
    if spec.checkpoint is not None:
        return Checkpoint(spec.checkpoint).embedding_and_head(dtype, device)
    return random_embedding_and_head(spec.decoder, int(spec.weights), dtype, device)
