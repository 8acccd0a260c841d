"""Decoding by CUDA graphs: a step of many blocks is one launch instead of about twenty for each block.

A graph repeats the captured kernels on the same memory. So a step reads its hidden states, slots and positions from
tensors that keep their addresses, and attends to a fixed number of positions behind a mask. This was written from the
documentation of PyTorch 2.11 and tested with a stand-in for the capture; it has not run on a GPU yet.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from serving.blocks.block import Block
from serving.blocks.slab import Slab
from system.checks import require

REACH_STEP = 256  # graphs attend to a multiple of this: few graphs, and short contexts stay cheap
WARM_UPS = 3  # before a capture, for libraries to choose their kernels and to allocate memory


def graph_reach(context_tokens: int, cache_tokens: int) -> int:
    """Return the number of positions that a graph for this context attends to.

    It is at most `cache_tokens`, the size of a slot.
    """
    return min(-(-context_tokens // REACH_STEP) * REACH_STEP, cache_tokens)


class Captured(NamedTuple):
    """A computation that can be repeated, and the tensor with its result."""

    replay: Callable[[], object]
    output: Tensor


Capture = Callable[[Callable[[], Tensor]], Captured]


class CudaCapture:
    """Captures CUDA graphs on a stream of its own, or on the stream of an SM partition.

    The graphs share memory for what they compute. This is safe because they are never replayed at the same time, and
    results are copied before the next replay. A capture waits for the whole device, some tenths of a second, so
    capture the graphs that will be needed before serving.
    """

    def __init__(self, device: torch.device, stream: torch.cuda.Stream | None = None) -> None:
        usable = device.type == "cuda" and torch.cuda.is_available()
        require(usable, "device", device, "CUDA graphs need a CUDA device; decode without them")
        self.stream = stream or torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], Tensor]) -> Captured:
        """Capture a computation, after warming it up."""
        self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))
        with torch.cuda.stream(self.stream):
            for _ in range(WARM_UPS):
                compute()
        torch.cuda.current_stream(self.stream.device).wait_stream(self.stream)
        graph = torch.cuda.CUDAGraph()
        # Threads that serve other partitions of the device may continue.
        with torch.cuda.graph(graph, pool=self._pool, stream=self.stream, capture_error_mode="thread_local"):
            output = compute()
        return Captured(graph.replay, output)


class GraphedStep:
    """One-token steps of B jobs through the same blocks, each job with a slot for every block.

    `hidden` (B, 1, h) and `numbers` (blocks + 1, B) are those of the first step; the first row of `numbers` has
    positions, and the others have the slots of each block. The warm-up computes the first step, so a capture while
    other jobs are served does not touch their slots.
    """

    def __init__(
        self, blocks: Sequence[Block], slab: Slab, hidden: Tensor, numbers: Tensor, reach: int, capture: Capture
    ) -> None:
        self.hidden, self.numbers = hidden.clone(), numbers.clone()

        def compute() -> Tensor:
            states = self.hidden
            for block, slot in zip(blocks, self.numbers[1:], strict=True):
                keys, values = slab.keys[:, :, :reach], slab.values[:, :, :reach]
                states = block.decode(states, keys, values, slot, self.numbers[0])
            return states

        self.replay, self.output = capture(compute)

    def __call__(self, hidden: Tensor, numbers: Tensor) -> Tensor:
        """Return the hidden states (B, 1, h) after the blocks.

        The next step overwrites them.
        """
        self.hidden.copy_(hidden)
        self.numbers.copy_(numbers)
        self.replay()
        return self.output


class DecodeGraphs:
    """The graphs of a server's blocks, each captured when it is first needed."""

    def __init__(self, blocks: Sequence[Block], slab: Slab, capture: Capture) -> None:
        self._blocks, self._slab, self._capture = list(blocks), slab, capture
        self._steps: dict[tuple[int, int, int, int], GraphedStep] = {}

    def __len__(self) -> int:
        return len(self._steps)

    @torch.inference_mode()
    def decode(self, begin: int, hidden: Tensor, slots: list[list[int]], positions: list[int]) -> Tensor:
        """Return the hidden states (B, 1, h) after blocks of the server.

        They start at its `begin`-th block. There are as many blocks as `slots` has rows, each with the slots of B jobs.
        The next step may overwrite the result.
        """
        numbers = torch.tensor([positions, *slots])
        reach = graph_reach(1 + max(positions), self._slab.cache_tokens)
        key = (begin, len(slots), len(positions), reach)
        if key not in self._steps:
            blocks = self._blocks[begin : begin + len(slots)]
            numbers = numbers.to(hidden.device)
            self._steps[key] = GraphedStep(blocks, self._slab, hidden, numbers, reach, self._capture)
        return self._steps[key](hidden, numbers)
