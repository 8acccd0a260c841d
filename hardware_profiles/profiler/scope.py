"""How much is measured. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from system.checks import require, require_count

FEWEST_BLOCKS = 4  # distinct ones in turn, so that no cache holds the weights of the next step
FIRST_LENGTH = 32


@dataclass(frozen=True)
class Scope:
    """Stacks of so many blocks, prompts and contexts up to `longest` tokens, batches of so many jobs, and rounds.

    A line is fitted to prompts of `shortest` tokens or more: below, a GPU's prefill is bound by memory, and flat.
    """

    stacks: Sequence[int] = (1, 2, 4, 8)
    shortest: int = FIRST_LENGTH
    longest: int = 512
    batches: Sequence[int] = (1, 2, 4, 8, 16)
    warm_up: int = 1
    rounds: int = 15
    relay: bool = True  # also messages to a server process, which takes seconds to start

    def __post_init__(self) -> None:
        for count in (*self.stacks, *self.batches):
            require_count(**{"stacks or batches": count})
        require_count(shortest=self.shortest, longest=self.longest, warm_up=self.warm_up, rounds=self.rounds)
        least = 2 * self.shortest
        require(self.longest >= least, "longest", self.longest, f"must be at least {least} tokens to fit a line")
        require(1 in self.batches, "batches", list(self.batches), "must have 1, what the others are compared with")

    @property
    def lengths(self) -> list[int]:
        """32, 64, 128, ... tokens and the longest."""
        doubling = [FIRST_LENGTH << n for n in range((self.longest // FIRST_LENGTH).bit_length())]
        return sorted({*(length for length in doubling if length <= self.longest), self.longest})

    @property
    def contexts(self) -> list[int]:
        """Shortest, middle and longest of the lengths."""
        return sorted({self.lengths[0], self.lengths[len(self.lengths) // 2], self.lengths[-1]})

    @property
    def block_count(self) -> int:
        """Blocks that have to be there."""
        return max(FEWEST_BLOCKS, *self.stacks)

    @property
    def cache_slot_count(self) -> int:
        """Cache slots: a batch for each block."""
        return self.block_count * max(self.batches)


CUDA: dict[str, Any] = {"shortest": 256, "longest": 2048, "warm_up": 5}  # the defaults are a CPU's
QUICK: dict[str, Any] = {"stacks": (1, 2), "batches": (1, 4), "rounds": 3, "relay": False}
