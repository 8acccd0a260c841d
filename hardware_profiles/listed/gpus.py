"""GPUs of listed servers: a profile by name, perhaps with other numbers, or the server's own numbers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hardware_profiles import profile
from hardware_profiles.listed.memory import FREE_KEYS, GIB_GB, MEMORY_KEYS, largest_gb, size_gb
from hardware_profiles.listed.names import known_name
from hardware_profiles.profile import GpuProfile
from hardware_profiles.quantities import plausible
from system import InputError, ServedModel
from system.checks import require
from system.documents.entries import Entry
from system.words import listed

OWN = {
    "memory_gb": "the memory of its GPU in GB",
    "prefill_tflops": "its TFLOP/s in 16 bit",
    "bandwidth_gb_per_s": "its memory bandwidth in GB/s",
}
SPEEDS = ("prefill_tflops", "bandwidth_gb_per_s")
GPU_KEYS = (*MEMORY_KEYS, *SPEEDS, "overhead_ms")
OWN_NUMBERS = "own numbers"
OTHER_DEVICE = f"docs/planning_devices.md lists all; for another one, give {', '.join(OWN)} instead of gpu"
BLOCK_OVERHEAD_MS = 1.0  # once per block and job (paper footnote 2)
# PETALS reserves 2 GiB for BLOOM's hidden size; for other hidden sizes it is in proportion.
WORKSPACE_GB_PER_WIDTH = 2 * GIB_GB / 14336
MEASURED = ("measured_block_s", "measured_relay_s", "measured_engine", "fit_report", "measured_points")

Profiles = Callable[[str], GpuProfile]  # the profile of a GPU's name


def profile_fields(name: str, folder: Path) -> dict[str, Any]:
    """Return a hardware profile as a mapping for `instantiate`.

    It is one of `hardware_profiles/`, whose name may be written as "RTX 4090", or a file in the folder, such as
    "measured.yaml".
    """
    if name.endswith(".yaml"):
        path = folder / name
        return profile.read_profile(path.stem, path.parent)
    return profile.read_profile(known_name(name), remedy=OTHER_DEVICE)


def profiles_in(folder: Path) -> Profiles:
    """Return a reader of profiles, those of a folder included."""

    @cache  # servers share profiles
    def read(name: str) -> GpuProfile:
        fields = profile_fields(name, folder)
        return GpuProfile(**{key: value for key, value in fields.items() if key != "_target_"})

    return read


def gpu_of(entry: Entry, profiles: Profiles) -> GpuProfile:
    """Return an entry's GPU; raise `InputError` if it is unknown.

    The entry's own numbers replace those of the profile that it names. Measured times do not apply to another speed,
    and measured hosting does not apply to another memory, so they are left out then.
    """
    if "gpu" not in entry:
        return _own_gpu(entry)
    known = named_gpu(entry, profiles)
    numbers = _numbers(entry)
    left_out = MEASURED if numbers.keys() - {"memory_gb"} else ()
    if "memory_gb" in numbers:
        left_out = (*left_out, "hosting")
    changes: dict[str, Any] = {**numbers, **{key: {} for key in left_out}}
    return _checked(entry, lambda: replace(known, **changes))


def named_gpu(entry: Entry, profiles: Profiles) -> GpuProfile:
    """Return the profile that an entry names; raise `InputError` if it is unknown."""
    try:
        return profiles(entry.text("gpu", "the name of a profile"))
    except InputError as error:
        raise InputError(f"{entry.where('gpu')}: {error}") from error


def gpu_notes(entry: Entry, profiles: Profiles, model: ServedModel) -> Iterator[str]:
    """Yield what a plan assumes about an entry's GPU, for people."""
    if "gpu" not in entry:
        return
    known, numbers, name = named_gpu(entry, profiles), _numbers(entry), entry.label
    changes = [
        f"{key} = {value:.4g} instead of the {getattr(known, key):g}"
        for key, value in numbers.items()
        if value != getattr(known, key)
    ]
    if changes:
        yield f"{name}: {listed(changes)} of {known.name}"
    gpu = gpu_of(entry, profiles)
    if known.measured_block_s and not gpu.measured_block_s:
        yield f"{name}: the times that {known.name} measured are those of other numbers, and are not used"
    elif (note := gpu.estimate_note(model)) is not None:
        yield note
    if model.name in known.hosting and not gpu.hosting:
        yield f"{name}: what {known.name} states of hosting holds for another memory, and is not used"
    if any(key in entry for key in FREE_KEYS):
        return
    if gpu.memory_choices_gb and "memory_gb" not in numbers:
        sizes = listed([f"{size:g}" for size in gpu.memory_choices_gb])
        yield f"{gpu.name} comes with {sizes} GB; {gpu.memory_gb:g} GB are planned with unless memory_gb is given"
    if gpu.usable_share < 1:
        yield (
            f"{gpu.usable_share:.0%} of the memory of {gpu.name} is taken as open to its GPU, as the operating system "
            "keeps the rest; give free_memory_gb if it is another share"
        )


def _numbers(entry: Entry) -> dict[str, float]:
    """Return an entry's own numbers by the fields of a profile."""
    numbers = {key: entry.positive(key, OWN[key]) for key in SPEEDS if key in entry}
    memory_gb = size_gb(entry, MEMORY_KEYS)
    if memory_gb is not None:
        numbers = {"memory_gb": memory_gb} | numbers
    if "overhead_ms" in entry:
        numbers["overhead_s"] = plausible(entry, "overhead_ms", "ms") / 1e3
    return numbers


def _own_gpu(entry: Entry) -> GpuProfile:
    if not any(key in entry for key in GPU_KEYS):
        entry.value("gpu", "a profile's name, such as rtx_4090, or memory_gb, prefill_tflops and bandwidth_gb_per_s")
    numbers: Mapping[str, Any] = {"overhead_s": BLOCK_OVERHEAD_MS / 1e3} | _numbers(entry)
    for key, meaning in OWN.items():
        if key not in numbers:
            entry.value(key, f"{meaning}, or the name of a profile as gpu")
    return _checked(entry, lambda: GpuProfile(OWN_NUMBERS, OWN_NUMBERS, "the inventory", **numbers))


def _checked(entry: Entry, make: Callable[[], GpuProfile]) -> GpuProfile:
    """Return a profile, with the name of its server in errors."""
    try:
        return make()
    except InputError as error:
        raise InputError(f"{entry.label}: {error}") from error


def free_memory_gb(entry: Entry, gpu: GpuProfile, model: ServedModel) -> float:
    """Return a GPU's memory for blocks and caches."""
    free_gb = size_gb(entry, FREE_KEYS)
    if free_gb is not None:
        most_gb = largest_gb(entry, gpu.memory_gb)
        remedy = (
            f"is more than the {gpu.memory_gb:g} GB of its GPU (at most {most_gb:.4g} GB, as GB of cards are GiB); "
            "a machine with several GPUs lists them as gpus"
        )
        key = next(key for key in FREE_KEYS if key in entry)
        require(free_gb <= most_gb, entry.where(key), entry.content[key], remedy)
        return free_gb
    reserve, usable_gb = reserve_gb(model), gpu.memory_gb * gpu.usable_share
    remedy = f"is not more than the {reserve:.3g} GB reserved for workspace; remove the server or give free_memory_gb"
    require(usable_gb > reserve, f"memory of {entry.label}", f"{usable_gb:g} GB", remedy)
    return usable_gb - reserve


def reserve_gb(model: ServedModel) -> float:
    """Return the memory that is reserved for workspace.

    It is reserved where a list does not give `free_memory_gb`.
    """
    return WORKSPACE_GB_PER_WIDTH * (model.hidden_size or 0)
