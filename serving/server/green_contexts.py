"""Disjoint partitions of a CUDA device's multiprocessors (SMs), so that servers of one process do not share them.

The partitions are green contexts of the CUDA driver. The device's SMs are split once into equal groups; each server
gets groups of its own and a stream that runs on them. All servers still share memory and its bandwidth. The code is
written from the driver's documentation and tested against a stand-in for it; it has not run on a GPU yet.
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

# CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING. It is a number here because the enumeration's name differs between
# versions of the bindings.
IGNORE_COSCHEDULING = 1
COSCHEDULED_SMS = 8  # groups of a multiple of this size can run large thread block clusters (compute capability 9.0)


def streams(sm_counts: Sequence[int | None], device: torch.device) -> list[DeviceStream | None]:
    """Return a stream for each server on SMs of its own.

    `sm_counts` has a number of SMs for every server, or None for every server; the streams are then None too. Raises
    `InputError` if only some servers have a number, or if the device cannot be split this way.
    """
    counts = [count for count in sm_counts if count is not None]
    if not counts:
        return [None] * len(sm_counts)
    require(len(counts) == len(sm_counts), "sm_counts", list(sm_counts), "give a number for every server, or none")
    require(device.type == "cuda", "sm_counts", counts, f"{device} has no multiprocessors to split; use device=cuda")
    pointers = _raw_streams(counts, device)
    return [CudaStream(torch.cuda.ExternalStream(pointer, device=device)) for pointer in pointers]


def _raw_streams(counts: Sequence[int], device: torch.device) -> list[int]:
    """Return the driver's pointers to the streams, one for each count."""
    driver = _driver()
    torch.zeros(1, device=device)  # creates the device's context, which the partitions need
    number = _checked(driver.cuDeviceGet(device.index or 0))
    groups = _groups(driver, number, gcd(*counts), sum(counts))
    ends = accumulate((count // gcd(*counts) for count in counts), initial=0)
    return [_stream(driver, number, groups[begin:end]) for begin, end in pairwise(ends)]


def _groups(driver: Any, number: Any, size: int, total: int) -> list[Any]:
    """Return groups of `size` SMs that have `total` SMs together."""
    whole = _checked(driver.cuDeviceGetDevResource(number, driver.CUdevResourceType.CU_DEV_RESOURCE_TYPE_SM))
    require(total <= whole.sm.smCount, "sum of sm_counts", total, f"the device has only {whole.sm.smCount}")
    flags = 0 if size % COSCHEDULED_SMS == 0 else IGNORE_COSCHEDULING
    groups, count, _rest = _checked(driver.cuDevSmResourceSplitByCount(total // size, whole, flags, size))
    exact = int(count) == total // size and all(group.sm.smCount == size for group in groups[: int(count)])
    remedy = f"this device cannot be split so; try multiples of {COSCHEDULED_SMS}"
    require(exact, "sm_counts", f"multiples of {size}", remedy)
    return list(groups[: int(count)])


def _stream(driver: Any, number: Any, groups: list[Any]) -> int:
    description = _checked(driver.cuDevResourceGenerateDesc(groups, len(groups)))
    default_stream = int(driver.CUgreenCtxCreate_flags.CU_GREEN_CTX_DEFAULT_STREAM)
    context = _checked(driver.cuGreenCtxCreate(description, number, default_stream))
    non_blocking = int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
    return int(_checked(driver.cuGreenCtxStreamCreate(context, non_blocking, 0)))


def _driver() -> Any:
    try:
        return import_module("cuda.bindings.driver")
    except ImportError as error:
        raise InputError(
            "sm_counts: the CUDA driver's bindings are missing; pip install cuda-bindings, or set no sm_counts"
        ) from error


def _checked(answer: tuple[Any, ...]) -> Any:
    """Return the results of a driver call without its error code.

    Raises `InputError` if the code is not that of success.
    """
    error, *results = answer
    if int(error) != 0:
        raise InputError(f"sm_counts: the CUDA driver refuses to split the device ({error}); set no sm_counts")
    return results[0] if len(results) == 1 else results
