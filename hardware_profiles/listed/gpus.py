"""GPUs of listed servers: a profile by name, or the server's own numbers."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hardware_profiles import profile
from hardware_profiles.listed.names import known_name
from hardware_profiles.profile import GpuProfile
from hardware_profiles.quantities import plausible
from system import InputError, ServedModel
from system.checks import echo, require
from system.documents.entries import Entry

OWN = {
    "memory_gb": "the memory of its GPU in GB",
    "prefill_tflops": "its TFLOP/s in 16 bit",
    "bandwidth_gb_per_s": "its memory bandwidth in GB/s",
}
GPU_KEYS = (*OWN, "overhead_ms")
OWN_NUMBERS = "own numbers"
BLOCK_OVERHEAD_MS = 1.0  # once per block and job (paper footnote 2)
# PETALS reserves 2 GiB for BLOOM's hidden size; for other hidden sizes it is in proportion.
WORKSPACE_GB_PER_WIDTH = 2 * 2**30 / 1e9 / 14336

Profiles = Callable[[str], GpuProfile]  # the profile of a GPU's name


def profile_fields(name: str, folder: Path) -> dict[str, Any]:
    """Return a hardware profile as a mapping for `instantiate`.

    It is one of `hardware_profiles/`, whose name may be written as "RTX 4090", or a file in the folder, such as
    "measured.yaml".
    """
    if name.endswith(".yaml"):
        path = folder / name
        return profile.read_profile(path.stem, path.parent)
    return profile.read_profile(known_name(name))


def profiles_in(folder: Path) -> Profiles:
    """Return a reader of profiles, those of a folder included."""

    @cache  # servers share profiles
    def read(name: str) -> GpuProfile:
        fields = profile_fields(name, folder)
        return GpuProfile(**{key: value for key, value in fields.items() if key != "_target_"})

    return read


def gpu_of(entry: Entry, profiles: Profiles) -> GpuProfile:
    """Return an entry's GPU; raise `InputError` if it is unknown."""
    if "gpu" not in entry:
        return _own_gpu(entry)
    for key in GPU_KEYS:
        gpu = echo(entry.content["gpu"])
        remedy = f"gpu = {gpu} sets it already; give one of the two (free_memory_gb is the free memory)"
        require(key not in entry, entry.where(key), entry.content.get(key), remedy)
    try:
        return profiles(entry.text("gpu", "the name of a profile"))
    except InputError as error:
        raise InputError(f"{entry.where('gpu')}: {error}") from error


def _own_gpu(entry: Entry) -> GpuProfile:
    if not any(key in entry for key in GPU_KEYS):
        entry.value("gpu", "a profile's name, such as rtx_4090, or memory_gb, prefill_tflops and bandwidth_gb_per_s")
    overhead_ms = plausible(entry, "overhead_ms", "ms") if "overhead_ms" in entry else BLOCK_OVERHEAD_MS
    numbers: dict[str, Any] = {
        key: entry.positive(key, f"{meaning}, or the name of a profile as gpu") for key, meaning in OWN.items()
    }
    try:
        return GpuProfile(OWN_NUMBERS, OWN_NUMBERS, "the inventory", **numbers, overhead_s=overhead_ms / 1e3)
    except InputError as error:
        raise InputError(f"{entry.label}: {error}") from error


def free_memory_gb(entry: Entry, gpu: GpuProfile, model: ServedModel) -> float:
    """Return a server's memory for blocks and caches."""
    if "free_memory_gb" in entry:
        free_gb = entry.positive("free_memory_gb", "GB")
        remedy = f"is more than the {gpu.memory_gb:g} GB of its GPU; a server is one GPU, use count for several"
        require(free_gb <= gpu.memory_gb, entry.where("free_memory_gb"), free_gb, remedy)
        return free_gb
    reserve = reserve_gb(model)
    remedy = f"is not more than the {reserve:.3g} GB reserved for workspace; remove the server or give free_memory_gb"
    require(gpu.memory_gb > reserve, f"memory of {entry.label}", f"{gpu.memory_gb:g} GB", remedy)
    return gpu.memory_gb - reserve


def reserve_gb(model: ServedModel) -> float:
    """Return the memory that is reserved for workspace.

    It is reserved where a list does not give `free_memory_gb`.
    """
    return WORKSPACE_GB_PER_WIDTH * (model.hidden_size or 0)
