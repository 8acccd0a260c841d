"""Disjoint partitions of a CUDA device's multiprocessors (SMs), so that servers of one process do not share them.

Green contexts of the CUDA driver: the device's SMs are split once into equal groups, each server has groups of its own,
and a stream on these. Memory and its bandwidth are still everybody's. Written from the driver's documentation and
tested against a stand-in for it: it has not run on a GPU yet.
"""

from collections.abc import Sequence
from importlib import import_module
from itertools import accumulate, pairwise
from math import gcd
from typing import Any

import torch

from serving.server.device_streams import CudaStream, DeviceStream
from system import InputError
from system.checks import require

# CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING; the enumeration's name differs between versions of the bindings.
IGNORE_COSCHEDULING = 1
COSCHEDULED_SMS = 8  # groups of multiples of so many can run large thread block clusters (compute capability 9.0)


def streams(sm_counts: Sequence[int | None], device: torch.device) -> list[DeviceStream | None]:
    """For each server a stream on so many SMs of its own, or None; all or none of the servers have such.

    Raises `InputError` where the device cannot be split so.
    """
    counts = [count for count in sm_counts if count is not None]
    if not counts:
        return [None] * len(sm_counts)
    require(len(counts) == len(sm_counts), "sm_counts", list(sm_counts), "give a number for every server, or none")
    require(device.type == "cuda", "sm_counts", counts, f"there are none on {device}; use device=cuda")
    return [CudaStream(torch.cuda.ExternalStream(each, device=device)) for each in _raw_streams(counts, device)]


def _raw_streams(counts: Sequence[int], device: torch.device) -> list[int]:
    """The driver's own pointers, one for each count."""
    driver = _driver()
    torch.zeros(1, device=device)  # makes the context that the partitions are of
    number = _given(driver.cuDeviceGet(device.index or 0))
    groups = _groups(driver, number, gcd(*counts), sum(counts))
    ends = accumulate((count // gcd(*counts) for count in counts), initial=0)
    return [_stream(driver, number, groups[begin:end]) for begin, end in pairwise(ends)]


def _groups(driver: Any, number: Any, size: int, total: int) -> list[Any]:
    """Groups of `size` SMs, as many as make `total`."""
    whole = _given(driver.cuDeviceGetDevResource(number, driver.CUdevResourceType.CU_DEV_RESOURCE_TYPE_SM))
    require(total <= whole.sm.smCount, "sum of sm_counts", total, f"the device has {whole.sm.smCount}")
    flags = 0 if size % COSCHEDULED_SMS == 0 else IGNORE_COSCHEDULING
    groups, count, _rest = _given(driver.cuDevSmResourceSplitByCount(total // size, whole, flags, size))
    exact = int(count) == total // size and all(group.sm.smCount == size for group in groups[: int(count)])
    require(exact, "sm_counts", f"multiples of {size}", f"this device cannot be split so; try {COSCHEDULED_SMS}")
    return list(groups[: int(count)])


def _stream(driver: Any, number: Any, groups: list[Any]) -> int:
    description = _given(driver.cuDevResourceGenerateDesc(groups, len(groups)))
    default_stream = int(driver.CUgreenCtxCreate_flags.CU_GREEN_CTX_DEFAULT_STREAM)
    context = _given(driver.cuGreenCtxCreate(description, number, default_stream))
    non_blocking = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
    return int(_given(driver.cuGreenCtxStreamCreate(context, non_blocking, 0)))


def _driver() -> Any:
    try:
        return import_module("cuda.bindings.driver")
    except ImportError as error:
        raise InputError("sm_counts: no driver bindings; pip install cuda-bindings, or leave them out") from error


def _given(answer: tuple[Any, ...]) -> Any:
    """What a call of the driver gives beside its error code; raises `InputError` if that is not success."""
    error, *given = answer
    if int(error) != 0:
        raise InputError(f"sm_counts: the CUDA driver refuses to split the device ({error}); leave them out")
    return given[0] if len(given) == 1 else given
