"""Where a server's computations run: at once on a CPU, or on a stream of a CUDA device while Python goes on.

What concerns CUDA is written from the documentation of PyTorch 2.11; it has not run on a GPU yet.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class Launched(Protocol):
    """A computation that has begun."""

    def done(self) -> bool:
        """Whether it has ended; never waits."""

    def wait(self) -> None:
        """Until it has ended."""

    def compute_s(self) -> float:
        """How long it took, once it has ended."""


class DeviceStream(Protocol):
    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        """Begin; tensors of the result are valid once it has ended. `inputs` stay untouched until then."""


class Ended(NamedTuple):
    """What ended before anybody could ask."""

    taken_s: float

    def done(self) -> bool:
        return True

    def wait(self) -> None:
        """Nothing to wait for."""

    def compute_s(self) -> float:
        return self.taken_s


class HostStream:
    """Computes when asked to."""

    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        begin_s = time.perf_counter()
        result = compute()
        return result, Ended(time.perf_counter() - begin_s)


class Between(NamedTuple):
    """What a device computes between two events of a stream."""

    begin: torch.cuda.Event
    end: torch.cuda.Event

    def done(self) -> bool:
        return self.end.query()

    def wait(self) -> None:
        self.end.synchronize()

    def compute_s(self) -> float:
        return self.begin.elapsed_time(self.end) / 1e3


class CudaStream:
    """A stream of a device, or of a partition of it; what Python computes elsewhere on the device comes before."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream

    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))
        for each in inputs:
            if each.is_cuda:
                each.record_stream(self.stream)  # else its memory could be given away while it is still read here
        between = Between(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        with torch.cuda.stream(self.stream):
            between.begin.record()
            result = compute()
            between.end.record()
        return result, between


def stream_of(device: torch.device) -> DeviceStream:
    """A new one on the whole device."""
    return CudaStream(torch.cuda.Stream(device)) if device.type == "cuda" else HostStream()
