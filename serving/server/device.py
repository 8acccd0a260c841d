"""The device on which a server computes: is it there, and does what is asked of it fit."""

import re
from pathlib import Path

import torch

from serving.server.spec import ServerSpec
from system import InputError
from system.checks import require

MEMORY = Path("/proc/meminfo")
AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)  # cached files count, which make room when asked


def torch_device(name: str) -> torch.device:
    """`cpu`, `cuda` or `cuda:1`; raises `InputError` if there is none."""
    require(bool(re.fullmatch(r"cpu|cuda(:\d+)?", name)), "device", name, "must be cpu, cuda or cuda:<number>")
    if name != "cpu":
        require(torch.cuda.is_available(), "device", name, "there is no CUDA device here; use device=cpu")
        number = int(name.partition(":")[2] or 0)
        count = torch.cuda.device_count()
        require(number < count, "device", name, f"there are {count} CUDA devices, cuda:0 to cuda:{count - 1}")
    return torch.device(name)


def free_bytes(device: torch.device) -> int:
    """Memory that can be had on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return 1024 * int(AVAILABLE.findall(MEMORY.read_text())[0])


def needed_bytes(spec: ServerSpec, dtype: torch.dtype) -> int:
    """Of a server's parameters and its slab."""
    model = spec.architecture
    cache = spec.slot_count * spec.cache_tokens * model.cache_values_per_token
    return (spec.block_count * model.block_parameters + cache) * dtype.itemsize


def require_fits(spec: ServerSpec, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `InputError` unless blocks and slab fit the memory that is free."""
    needed, free = needed_bytes(spec, dtype), free_bytes(device)
    if needed > free:
        raise InputError(
            f"server {spec.name}: {spec.block_count} blocks of {spec.architecture.name} and {spec.slot_count} cache "
            f"slots need {needed / 1e9:.3g} GB, but {device} has {free / 1e9:.3g} GB free: "
            f"{(needed - free) / 1e9:.3g} GB are missing; host fewer blocks or lower the capacities"
        )
