"""The device on which a server computes: its name, its free memory, and whether a server fits on it."""

import re
from pathlib import Path

import torch

from serving.server.spec import ServerSpec
from system import InputError
from system.checks import require

MEMORY = Path("/proc/meminfo")
# Includes cached files, which the kernel drops when a program needs their memory.
AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)


def torch_device(name: str) -> torch.device:
    """Return the device called `cpu`, `cuda` or for example `cuda:1`.

    Raises `InputError` for other names and where there is no such device.
    """
    require(bool(re.fullmatch(r"cpu|cuda(:\d+)?", name)), "device", name, "must be cpu, cuda or cuda:<number>")
    if name != "cpu":
        require(torch.cuda.is_available(), "device", name, "there is no CUDA device here; use device=cpu")
        number = int(name.partition(":")[2] or 0)
        count = torch.cuda.device_count()
        require(number < count, "device", name, f"the last CUDA device of this machine is cuda:{count - 1}")
    return torch.device(name)


def free_bytes(device: torch.device) -> int:
    """Return how much of the device's memory is free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return 1024 * int(AVAILABLE.findall(MEMORY.read_text())[0])


def needed_bytes(spec: ServerSpec, dtype: torch.dtype) -> int:
    """Return the memory of a server's parameters and cache slots."""
    model = spec.decoder
    cache = spec.cache_slot_count * spec.cache_tokens * model.cache_values_per_token
    return (spec.block_count * model.block_parameters + cache) * dtype.itemsize


def require_fits(spec: ServerSpec, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `InputError` unless a server's blocks and cache slots fit."""
    needed, free = needed_bytes(spec, dtype), free_bytes(device)
    if needed > free:
        raise InputError(
            f"server {spec.name}: block_count = {spec.block_count} and cache_slot_count = {spec.cache_slot_count} of "
            f"{spec.decoder.name} need {needed / 1e9:.3g} GB, but {device} has {free / 1e9:.3g} GB free, so "
            f"{(needed - free) / 1e9:.3g} GB are missing; host fewer blocks or lower the capacities"
        )
