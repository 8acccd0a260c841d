"""The whole model in one process: the reference with which the tokens of every chain are compared."""

from collections.abc import Sequence

import torch

from serving.blocks.block import Block
from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.blocks.slab import Slab
from serving.blocks.stack import Stack
from system.models.decoder import Decoder


def generate(
    decoder: Decoder,
    blocks: Sequence[Block],
    embedding_and_head: EmbeddingAndHead,
    prompt: Sequence[int],
    new_tokens: int,
) -> list[int]:
    """Return the `new_tokens` tokens after the prompt.

    Each is the most likely one given all tokens before it.
    """
    parameter = next(embedding_and_head.parameters())
    slab = Slab(decoder, len(blocks), len(prompt) + new_tokens, parameter.dtype, parameter.device)
    stack = Stack(blocks, 0, slab)
    stack.open(0, 0, len(blocks))
    tokens = torch.tensor(prompt, device=parameter.device)
    answer: list[int] = []
    while len(answer) < new_tokens:
        tokens = embedding_and_head.next_token(stack.step(0, embedding_and_head.embed(tokens)))
        answer.append(int(tokens))
    return answer
