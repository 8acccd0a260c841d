"""The device that is measured: its number format, its memory and its clock."""

import os
import time
from collections.abc import Callable
from typing import get_args

import torch

from hardware_profiles.profiler.points import Clock
from serving.server.spec import DtypeName
from system.checks import require_count, require_one_of
from system.limits import THREADS


def dtype_of(name: str) -> torch.dtype:
    """Return the number format of that name; raise `InputError` for unknown names."""
    require_one_of(get_args(DtypeName), dtype=name)
    return getattr(torch, name)


def use_threads(count: int) -> None:
    """Let torch compute on `count` threads of the CPU from now on."""
    require_count(THREADS, threads=count)
    torch.set_num_threads(count)


def memory_bytes(device: torch.device) -> int:
    """Return the size of the device's memory."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def clock_of(device: torch.device) -> Clock:
    """Return the function that times a call on a device.

    It begins when the device is idle and ends when the result is there.
    """
    return _on_cuda if device.type == "cuda" else _on_cpu


def _on_cpu(run: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    run()
    return time.perf_counter() - begin_s


def _on_cuda(run: Callable[[], object]) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3
