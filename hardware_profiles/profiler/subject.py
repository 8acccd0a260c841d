"""The blocks that are timed: several distinct ones take turns, on a cache full of random numbers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor

from hardware_profiles.profiler.points import Timing
from hardware_profiles.profiler.scope import Scope
from serving.blocks.block import Block
from serving.blocks.graphs import Capture, GraphedStep, graph_reach
from serving.blocks.slab import Slab
from serving.blocks.weights import random_block
from system.models.decoder import Decoder

SHORT_RUNS = 5  # of a single token per round, since it takes a fraction of a prompt's time


class Hosted(NamedTuple):
    """A block and the number of its first cache slot."""

    block: Block
    slot: int


class Subject:
    """The blocks of a scope, each with cache slots for the largest batch."""

    def __init__(self, decoder: Decoder, scope: Scope, dtype: torch.dtype, device: torch.device, seed: int = 0) -> None:
        self.decoder, self.scope, self.dtype, self.device = decoder, scope, dtype, device
        self.slab = Slab(decoder, scope.cache_slot_count, scope.longest, dtype, device)
        self.slab.keys.normal_()  # zeros are multiplied faster
        self.slab.values.normal_()
        batch = max(scope.batches)
        self.hosted = [
            Hosted(random_block(decoder, b, seed, dtype, device), b * batch) for b in range(scope.block_count)
        ]

    def points(self, capture: Capture | None = None) -> list[Timing]:
        """Return all points to time.

        These are prompts and single tokens of one job through stacks of blocks, and single tokens of several jobs
        together through one block; with a `capture` also single tokens as CUDA graphs.
        """
        lengths = self.scope.lengths
        graphed = [] if capture is None else [(m, n, capture) for m in self.scope.stacks for n in self.scope.contexts]
        return [
            *(
                Timing("decode_graph", (m, n), self.graphed(m, n, graph_capture), SHORT_RUNS)
                for m, n, graph_capture in graphed
            ),
            *(Timing("prefill", (m, n), self.prefill(m, n)) for m in self.scope.stacks for n in lengths),
            *(Timing("decode", (m, n), self.decode(m, n), SHORT_RUNS) for m in self.scope.stacks for n in lengths),
            *(
                Timing("decode_batch", (1, jobs, n), self.decode_batch(jobs, n), SHORT_RUNS)
                for jobs in self.scope.batches
                for n in self.scope.contexts
            ),
        ]

    def prefill(self, blocks: int, tokens: int) -> Callable[[], Tensor]:
        """Return the step of a prompt through the next `blocks` blocks."""
        return self._step(blocks, self._hidden(1, tokens), position=0)

    def decode(self, blocks: int, context: int) -> Callable[[], Tensor]:
        """Return the step of one token through the next `blocks` blocks.

        The token is the last of a context of `context` tokens.
        """
        return self._step(blocks, self._hidden(1, 1), position=context - 1)

    def decode_batch(self, jobs: int, context: int) -> Callable[[], Tensor]:
        """Return the joint step of `jobs` tokens through the next block.

        Each token belongs to another job.
        """
        turns, hidden, slab = self._turns(1), self._hidden(jobs, 1), self.slab
        position = torch.full((jobs,), context - 1, device=self.device)
        slots = {entry.slot: entry.slot + torch.arange(jobs, device=self.device) for entry in self.hosted}

        @torch.inference_mode()
        def run() -> Tensor:
            [entry] = next(turns)
            return entry.block.decode(hidden, slab.keys, slab.values, slots[entry.slot], position, context)

        return run

    def graphed(self, blocks: int, context: int, capture: Capture) -> Callable[[], Tensor]:
        """Return the step of `decode` as CUDA graphs.

        Each stack is captured once and then replayed.
        """
        hidden, reach = self._hidden(1, 1), graph_reach(context, self.scope.longest)
        replays = []
        with torch.inference_mode():
            for stack in windows(self.hosted, blocks):
                numbers = torch.tensor([[context - 1], *([slot] for _, slot in stack)], device=self.device)
                step = GraphedStep([block for block, _ in stack], self.slab, hidden, numbers, reach, capture)
                replays.append(partial(step, hidden, numbers))
        turns = cycle(replays)
        return torch.inference_mode()(lambda: next(turns)())

    def _step(self, blocks: int, hidden: Tensor, position: int) -> Callable[[], Tensor]:
        turns, slab = self._turns(blocks), self.slab

        @torch.inference_mode()
        def run() -> Tensor:
            passed = hidden
            for block, slot in next(turns):
                passed = block.prefill(passed, slab.keys[slot], slab.values[slot], position)
            return passed

        return run

    def _turns(self, blocks: int) -> Iterator[Sequence[Hosted]]:
        return cycle(windows(self.hosted, blocks))

    def _hidden(self, jobs: int, tokens: int) -> Tensor:
        return torch.randn(jobs, tokens, self.decoder.hidden_size, dtype=self.dtype, device=self.device)


def windows(hosted: Sequence[Hosted], count: int) -> list[Sequence[Hosted]]:
    """Return disjoint stacks of `count` consecutive blocks."""
    return [hosted[first : first + count] for first in range(0, len(hosted) - count + 1, count)]
