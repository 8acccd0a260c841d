"""The whole model in one place: what the tokens of every chain are checked against."""

from collections.abc import Sequence

import torch

from serving.blocks.block import Block
from serving.blocks.ends import Ends
from serving.blocks.slab import Slab
from serving.blocks.stack import Stack
from system.models.decoder import Decoder


def generate(
    decoder: Decoder, blocks: Sequence[Block], ends: Ends, prompt: Sequence[int], new_tokens: int
) -> list[int]:
    """The `new_tokens` most likely tokens after the prompt, each given those before it."""
    parameter = next(ends.parameters())
    slab = Slab(decoder, len(blocks), len(prompt) + new_tokens, parameter.dtype, parameter.device)
    stack = Stack(blocks, 0, slab)
    stack.open(0, 0, len(blocks))
    tokens = torch.tensor(prompt, device=parameter.device)
    answer: list[int] = []
    while len(answer) < new_tokens:
        tokens = ends.next_token(stack.step(0, ends.embed(tokens)))
        answer.append(int(tokens))
    return answer
