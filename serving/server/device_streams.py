"""Streams on which a server computes: a CPU computes at once, a CUDA device computes while Python goes on.

The CUDA code is written from the documentation of PyTorch 2.11 and has not run on a GPU yet.
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
        """Return whether it has ended, without waiting."""

    def wait(self) -> None:
        """Wait until it has ended."""

    def compute_s(self) -> float:
        """Return how long it took; it must have ended."""


class DeviceStream(Protocol):
    """An order of computations on one device."""

    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        """Begin a computation and return its result and its handle.

        The result's tensors are valid once the computation has ended; `inputs` must not be changed before.
        """


class Ended(NamedTuple):
    """A computation that had ended when `launch` returned."""

    taken_s: float

    def done(self) -> bool:
        """Return True."""
        return True

    def wait(self) -> None:
        """Return at once."""

    def compute_s(self) -> float:
        """Return the seconds that it took."""
        return self.taken_s


class HostStream:
    """A CPU, which computes within `launch`."""

    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        """Compute and return the result."""
        begin_s = time.perf_counter()
        result = compute()
        return result, Ended(time.perf_counter() - begin_s)


class Between(NamedTuple):
    """A computation between two events of a CUDA stream."""

    begin: torch.cuda.Event
    end: torch.cuda.Event

    def done(self) -> bool:
        """Return whether the device has reached the second event."""
        return self.end.query()

    def wait(self) -> None:
        """Wait until the device has reached the second event."""
        self.end.synchronize()

    def compute_s(self) -> float:
        """Return the seconds between the two events."""
        return self.begin.elapsed_time(self.end) / 1e3


class CudaStream:
    """A stream of a CUDA device, or of a partition of one.

    A computation begins after all that the device's current stream had to do when it was launched.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream

    def launch(self, compute: Callable[[], Result], inputs: Sequence[Tensor]) -> tuple[Result, Launched]:
        """Put a computation on the stream."""
        self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))
        for tensor in inputs:
            if tensor.is_cuda:
                tensor.record_stream(self.stream)  # else its memory could be reused while this stream still reads it
        between = Between(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        with torch.cuda.stream(self.stream):
            between.begin.record()
            result = compute()
            between.end.record()
        return result, between


def stream_of(device: torch.device) -> DeviceStream:
    """Return a new stream on the whole device."""
    return CudaStream(torch.cuda.Stream(device)) if device.type == "cuda" else HostStream()
