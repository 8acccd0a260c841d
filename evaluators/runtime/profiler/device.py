"""The device that is measured: its name, its memory, its clock."""

import os
import time
from collections.abc import Callable

import torch

from evaluators.runtime.profiler.points import Clock
from system import InputError
from system.checks import require, require_count, require_one_of

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def dtype_of(name: str) -> torch.dtype:
    """The numbers in which blocks are kept; raises `InputError` for others."""
    require_one_of(list(DTYPES), dtype=name)
    return DTYPES[name]


def device_of(name: str) -> torch.device:
    """`cpu`, `cuda` or `cuda:1`; raises `InputError` where there is none."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    require(device.type in ("cpu", "cuda"), "device", name, "must be cpu, cuda or one of several, such as cuda:1")
    if device.type == "cuda":
        there = torch.cuda.device_count()
        if (device.index or 0) >= there:
            raise InputError(f"device = {name}: torch {torch.__version__} sees {there} CUDA devices; use --device cpu")
    return device


def use_threads(count: int) -> None:
    """Compute on so many threads of the CPU from now on."""
    require_count(threads=count)
    torch.set_num_threads(count)


def memory_bytes(device: torch.device) -> int:
    """All of the device's memory."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_bytes(device: torch.device) -> int:
    """What nobody has; of a CPU all, since its system makes room."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else memory_bytes(device)


def clock_of(device: torch.device) -> Clock:
    """Times a call from an idle device on until its result is there."""
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
