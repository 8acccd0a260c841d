"""The scope of a profile: how much is measured, and how much memory that needs. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from system import InputError
from system.checks import require, require_count
from system.limits import ROUNDS
from system.models.decoder import Decoder

FEWEST_BLOCKS = 4  # distinct blocks take turns, so that no processor cache holds the weights of the next step
FIRST_LENGTH = 32


@dataclass(frozen=True)
class Scope:
    """What is measured: stacks, lengths, batches and rounds.

    - `stacks`: numbers of blocks in a row.
    - `shortest`: a line is fitted to prompts of at least this many tokens. A GPU's prefill of shorter prompts is bound
      by memory, so that its time is constant.
    - `longest`: longest prompt and context in tokens.
    - `batches`: numbers of jobs in a batch.
    - `warm_up`, `rounds`: rounds over all points before and during the measurement.
    - `relay`: whether messages to a server process are timed, too, which takes seconds to start.
    """

    stacks: Sequence[int] = (1, 2, 4, 8)
    shortest: int = FIRST_LENGTH
    longest: int = 512
    batches: Sequence[int] = (1, 2, 4, 8, 16)
    warm_up: int = 1
    rounds: int = 15
    relay: bool = True

    def __post_init__(self) -> None:
        for count in (*self.stacks, *self.batches):
            require_count(**{"stacks or batches": count})
        require_count(shortest=self.shortest, longest=self.longest)
        require_count(ROUNDS, warm_up=self.warm_up, rounds=self.rounds)
        least = 2 * self.shortest
        require(self.longest >= least, "longest", self.longest, f"must be at least {least} tokens to fit a line")
        require(1 in self.batches, "batches", list(self.batches), "must have 1, with which the others are compared")

    @property
    def lengths(self) -> list[int]:
        """Return the lengths 32, 64, 128, ... tokens and the longest one."""
        doubling = [FIRST_LENGTH << n for n in range((self.longest // FIRST_LENGTH).bit_length())]
        return sorted({*(length for length in doubling if length <= self.longest), self.longest})

    @property
    def contexts(self) -> list[int]:
        """Return the shortest, the middle and the longest of the lengths."""
        return sorted({self.lengths[0], self.lengths[len(self.lengths) // 2], self.lengths[-1]})

    @property
    def block_count(self) -> int:
        """Return the number of blocks in memory."""
        return max(FEWEST_BLOCKS, *self.stacks)

    @property
    def cache_slot_count(self) -> int:
        """Return the number of cache slots.

        Each block has one for each job of the largest batch.
        """
        return self.block_count * max(self.batches)


CUDA: dict[str, Any] = {"shortest": 256, "longest": 2048, "warm_up": 5}  # the defaults above are for a CPU
QUICK: dict[str, Any] = {"stacks": (1, 2), "batches": (1, 4), "rounds": 3, "relay": False}


def block_bytes(decoder: Decoder, value_bytes: int) -> int:
    """Return the bytes of one block's weights."""
    return decoder.block_parameters * value_bytes


def token_bytes(decoder: Decoder, value_bytes: int) -> int:
    """Return the bytes of one token's cache in one block."""
    return decoder.cache_values_per_token * value_bytes


def workspace_bytes(decoder: Decoder, tokens: int, value_bytes: int) -> int:
    """Return the bytes that a prompt needs beside weights and cache.

    They are three rows of the MLP's width per token, and the hidden states before and after a norm.
    """
    return tokens * (3 * decoder.intermediate_size + 2 * decoder.hidden_size) * value_bytes


def require_room(decoder: Decoder, scope: Scope, value_bytes: int, free_bytes: int) -> None:
    """Raise `InputError` unless blocks and cache fit into the free memory."""
    blocks, tokens = scope.block_count, scope.cache_slot_count * scope.longest
    needed = blocks * block_bytes(decoder, value_bytes) + tokens * token_bytes(decoder, value_bytes)
    needed += workspace_bytes(decoder, scope.longest, value_bytes)
    if needed > free_bytes:
        raise InputError(
            f"model = {decoder.name}: {blocks} blocks and their cache need {needed / 1e9:.1f} GB, the device has "
            f"{free_bytes / 1e9:.1f} GB, so {(needed - free_bytes) / 1e9:.1f} GB ({needed - free_bytes} bytes) are "
            "missing; use fewer --stacks, smaller --batches, a shorter --longest or a 16-bit --dtype"
        )
