"""Devices inside one machine: how a server's blocks lie on them, and the time of a block there."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.profile import GpuProfile
from system import ServedModel, Servers
from system.checks import SLACK, floor_with_slack
from system.words import listed

Shares = Callable[[GpuProfile, ServedModel], tuple[float, float]]  # of peak arithmetic and of peak bandwidth
Times = tuple[float, float, float]  # coefficients of (1, input tokens, output tokens - 1), in s


@dataclass(frozen=True)
class Device:
    """A GPU of a machine, or the memory beside its GPUs."""

    name: str
    memory_gb: float  # for blocks and caches
    kind: str  # "gpu" or "ram"
    block_s: Times = (0.0, 0.0, 0.0)  # of a block that lies there


def most_blocks(devices: Sequence[Device], model: ServedModel, jobs: int = 1) -> tuple[int, ...]:
    """Return how many blocks each device can hold.

    A block lies on one device, beside the caches of some jobs.
    """
    block_gb = model.block_memory_gb + jobs * model.cache_memory_gb
    return tuple(floor_with_slack([device.memory_gb / block_gb for device in devices]).tolist())


def device_blocks(devices: Sequence[Device], blocks: int, model: ServedModel, jobs: float = 1) -> tuple[int, ...]:
    """Return how many of a server's hosted blocks lie on each device.

    Devices are filled in their order; equal ones that stand together share evenly. A block takes the memory of its
    weights and of the caches of `jobs` jobs, on average, or less where all memory together has less for each block.
    """
    if not devices or blocks == 0:
        return (0,) * len(devices)
    room = _room(devices, blocks, model.block_memory_gb + jobs * model.cache_memory_gb)
    hosted: list[int] = []
    for alike in _alike(devices):
        hosted += _shared(blocks - sum(hosted), room[len(hosted) : len(hosted) + alike])
    return tuple(hosted)


def _room(devices: Sequence[Device], blocks: int, block_gb: float) -> list[int]:
    """Return how many blocks of a size each device can hold.

    They are at least `blocks` together: a smaller size is taken where memory is short, and devices with the largest
    rests get one more.
    """
    memory_gb = np.array([device.memory_gb for device in devices])
    exact = memory_gb / min(block_gb, float(memory_gb.sum()) / blocks)
    room = floor_with_slack(exact)
    missing = max(0, blocks - int(room.sum()))
    room[np.argsort(room - exact, kind="stable")[:missing]] += 1
    return [int(count) for count in room]


def device_words(devices: Sequence[Device], blocks: int, model: ServedModel, jobs: float = 1) -> str:
    """Return how many blocks lie on which devices, in words."""
    held = device_blocks(devices, blocks, model, jobs)
    names = [device.name for device in devices]
    totals = {name: sum(n for n, other in zip(held, names, strict=True) if other == name) for name in names}
    return listed([f"{count} on {with_counts([name] * names.count(name))}" for name, count in totals.items()])


def with_counts(names: Sequence[str]) -> str:
    """Return names in words, such as "rtx_3090 + 2 x rtx_3060"."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def without_ends(devices: Sequence[Device], taken_gb: float) -> tuple[Device, ...]:
    """Return devices with less memory on the last ones."""
    left: list[Device] = []
    for device in reversed(devices):
        here_gb = min(taken_gb, max(device.memory_gb - SLACK, 0.0))
        left.append(replace(device, memory_gb=device.memory_gb - here_gb))
        taken_gb -= here_gb
    return tuple(reversed(left))


def plain_name(device: Device) -> str:
    """Return the name of one GPU of a device."""
    return re.sub(r"^\d+ x ", "", device.name)


def mean_block_s(devices: Sequence[Device], blocks: int, model: ServedModel, jobs: float = 1) -> Times:
    """Return the mean time of a block over a server's devices.

    Devices weigh as much as the blocks that they hold when the server hosts `blocks`.
    """
    weights = device_blocks(devices, blocks, model, jobs)
    once, of_input, of_output = np.average([device.block_s for device in devices], axis=0, weights=weights).tolist()
    return once, of_input, of_output


def hosted_block_s(
    servers: Servers, devices: Sequence[Sequence[Device]], blocks: Sequence[int], model: ServedModel, jobs: float = 1
) -> NDArray[np.float64]:
    """Return (J, 3) the times of a block where servers host some blocks.

    The servers' own times are those of servers that host as many as they can. `devices` are those of each server, and
    may be empty for one GPU.
    """
    times_s = servers.block_s.copy()
    for j, (of_server, hosted) in enumerate(zip(devices, blocks, strict=True)):
        if of_server and hosted:
            times_s[j] = mean_block_s(of_server, int(hosted), model, jobs)
    return times_s


def jobs_beside(devices: Sequence[Device], blocks: int, model: ServedModel) -> int:
    """Return for how many jobs caches fit beside some blocks; at least 1."""
    jobs, step = 1, 1
    while sum(most_blocks(devices, model, jobs + step)) >= blocks:
        jobs, step = jobs + step, 2 * step
    while step > 1:
        step //= 2
        jobs += step if sum(most_blocks(devices, model, jobs + step)) >= blocks else 0
    return jobs


def _alike(devices: Sequence[Device]) -> Iterator[int]:
    """Yield the lengths of runs of equal devices."""
    for _, run in itertools.groupby(devices, key=lambda device: (device.name, device.kind, device.block_s)):
        yield len(list(run))


def _shared(blocks: int, room: Sequence[int]) -> list[int]:
    """Return blocks dealt out one by one to the devices that hold the fewest."""
    held = [0] * len(room)
    for _ in range(min(blocks, sum(room))):
        held[min((n for n in range(len(room)) if held[n] < room[n]), key=held.__getitem__)] += 1
    return held
