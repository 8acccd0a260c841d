"""Memory of a machine beside its GPUs, for blocks that do not fit there."""

from collections.abc import Sequence
from typing import NamedTuple

from hardware_profiles.listed.devices import Device, Shares
from hardware_profiles.listed.gpus import GPU_KEYS
from hardware_profiles.profile import GpuProfile
from hardware_profiles.quantities import require_plausible
from system import InputError, ServedModel
from system.checks import require, require_known
from system.documents.entries import Entry

RAM_KEYS = ("ram_gb", "ram", "ram_bandwidth_gb_per_s")
KINDS_GB_PER_S = {"ddr4": 45.0, "ddr5": 80.0}  # two channels of DDR4-3200 or DDR5-5600, of 51.2 and 89.6 GB/s
PCIE_GB_PER_S = 25.0  # 16 lanes of PCIe 4.0, of 31.5 GB/s
PROMPT_STACK = 512  # tokens of a prompt for which weights cross PCIe once, llama.cpp's --ubatch-size
SHARED = ("apple", "amd_unified", "nvidia_unified", "cpu")  # families whose memory is the machine's
CPU_TFLOPS = 0.1  # only to make a profile; prompts are computed by the GPU


class Ram(NamedTuple):
    """A machine's memory as a device, and what is assumed about it."""

    device: Device
    note: str


def require_beside_gpu(gpu: Entry, entry: Entry) -> None:
    """Raise `InputError` if an entry has RAM but no GPU."""
    has_ram, has_gpu = (
        any(key in part for key in keys) for part, keys in ((entry, RAM_KEYS), (gpu, ("gpu", *GPU_KEYS)))
    )
    if has_ram and not has_gpu:
        raise InputError(
            f"{entry.where('gpu')} is missing: RAM is beside a GPU; for a machine without one give memory_gb, "
            "bandwidth_gb_per_s and prefill_tflops instead of RAM, of which processors have some 0.1 to 2"
        )


def ram_of(entry: Entry, gpus: Sequence[GpuProfile], fastest: Device, model: ServedModel, shares: Shares) -> Ram | None:
    """Return the memory that an entry lends to blocks; None if it lends none.

    A step reads a block from that memory. A prompt is computed by the fastest GPU.
    """
    if not any(key in entry for key in RAM_KEYS):
        return None
    _require_kind(entry)
    size_gb = entry.positive("ram_gb", "the GB of its memory that are free for blocks")
    require_plausible("memory_gb", size_gb, entry.where("ram_gb"))
    shared = [gpu.name for gpu in gpus if gpu.family in SHARED]
    if shared:
        remedy = f"the memory of {shared[0]} is all that there is; leave ram_gb out, or give free_memory_gb"
        require(False, entry.where("ram_gb"), size_gb, remedy)
    name, bandwidth = _speed(entry)
    ram = GpuProfile(name, name, "the inventory", size_gb, CPU_TFLOPS, bandwidth, 0.0, family="cpu")
    once_s, input_s, _ = fastest.block_s
    pcie_s = model.block_memory_gb / PCIE_GB_PER_S
    step_s = ram.block_coefficients_s(model, shares(ram, model))[2]
    times_s = (once_s + pcie_s, input_s + pcie_s / PROMPT_STACK, step_s)
    note = (
        f"{entry.label}: blocks that do not fit on its GPUs lie in RAM and are read at {bandwidth:g} GB/s ({name}); "
        f"for prompts their weights cross PCIe at {PCIE_GB_PER_S:g} GB/s, once for each {PROMPT_STACK} tokens"
    )
    return Ram(Device(name, size_gb, "ram", times_s), note)


def _require_kind(entry: Entry) -> None:
    """Raise `InputError` if `ram` is a size, such as "64gb"."""
    kind = entry.content.get("ram")
    is_size = str(kind)[:1].isdecimal()
    require(not is_size, entry.where("ram"), kind, f"is the kind, {' or '.join(KINDS_GB_PER_S)}; its GB are ram_gb")


def _speed(entry: Entry) -> tuple[str, float]:
    """Return the name and the GB/s of an entry's memory."""
    both = "ram" in entry and "ram_bandwidth_gb_per_s" in entry
    require(not both, entry.where("ram_bandwidth_gb_per_s"), "given", "ram sets it already; give one of the two")
    if "ram" not in entry:
        hint = f"the GB/s of its memory, or its kind as ram, one of {', '.join(KINDS_GB_PER_S)}"
        return "RAM", entry.positive("ram_bandwidth_gb_per_s", hint)
    kind = entry.text("ram", f"one of {', '.join(KINDS_GB_PER_S)}").lower()
    require_known(entry.where("ram"), kind, KINDS_GB_PER_S)
    return f"{kind} RAM", KINDS_GB_PER_S[kind]
