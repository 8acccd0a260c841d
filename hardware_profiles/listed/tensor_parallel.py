"""Tensor parallelism: GPUs of a machine share each block and reach a part of a linear speed-up."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hardware_profiles.listed.devices import Device
from hardware_profiles.profile import GpuProfile
from system import InputError
from system.checks import is_finite_number, require
from system.documents.entries import Entry

KEY = "tensor_parallel"


class Scaling(NamedTuple):
    """What GPUs reach of a linear speed-up, by their number."""

    shares: Mapping[int, float]
    source: str

    def share(self, count: int) -> float:
        """Return the share for some GPUs, between those of the nearest numbers."""
        return float(np.interp(math.log2(count), [math.log2(n) for n in self.shares], list(self.shares.values())))


SCALINGS = {
    # One RTX 3090 has some 40 tokens/s with this model and 4 bits; 76.9 / (4 x 40) = .48.
    "pcie": Scaling(
        {1: 1.0, 4: 0.48},
        "estimated from two public posts on RTX 3090 over PCIe, one of them with 4 and vLLM "
        "(ollama.linkworksinc.com/posts/vllm-tp4-3090-benchmark); write tensor_parallel: nvswitch where GPUs have it",
    ),
    "nvswitch": Scaling(
        {1: 1.0, 2: 0.907, 4: 0.865, 8: 0.796},
        "Megatron-LM 1.0 reached over NVSwitch (nv-adlr.github.io/MegatronLMV1, Table 1)",
    ),
}
WORDS = f"true, false, {', '.join(SCALINGS)}, or the measured share of a linear speed-up"


def in_parallel(entry: Entry) -> bool:
    """Return whether the GPUs of a machine share each block."""
    value = entry.content.get(KEY, False)
    if value is False:
        return False
    require("gpus" in entry, entry.where(KEY), value, "needs gpus, such as [4 x rtx_3090]")
    is_share = is_finite_number(value) and 0 < value <= 1
    is_named = isinstance(value, str) and value in SCALINGS
    require(value is True or is_share or is_named, entry.where(KEY), value, f"must be {WORDS}")
    return True


def parallel_device(entry: Entry, gpus: Sequence[GpuProfile], devices: Sequence[Device]) -> tuple[Device, str]:
    """Return GPUs that share each block as one device, with a note."""
    count, first, value = len(gpus), devices[0], entry.content[KEY]
    if any(gpu != gpus[0] for gpu in gpus) or len({device.memory_gb for device in devices}) > 1:
        raise InputError(
            f"{entry.where(KEY)} = {value}: needs equal GPUs; leave it out for unequal ones, and layers are split"
        )
    share, source = _share(entry, count)
    once_s, input_s, output_s = first.block_s
    times_s = (once_s, input_s / (count * share), output_s / (count * share))
    name = f"{count} x {first.name}"
    note = f"{entry.label}: {name} share each block, whose time is that of one GPU / {count} / {share:.3g}, as {source}"
    return Device(name, count * first.memory_gb, "gpu", times_s), note


def _share(entry: Entry, count: int) -> tuple[float, str]:
    """Return the share of a linear speed-up that some GPUs reach, and its source."""
    value = entry.content[KEY]
    if is_finite_number(value):
        return float(value), "the inventory gives it"
    scaling = SCALINGS["pcie" if value is True else value]
    most = max(scaling.shares)
    remedy = f"needs 2 to {most} GPUs, as no scaling beyond is known; give the share that you measured instead"
    require(2 <= count <= most, entry.where(KEY), f"{str(value).lower()} for {count} GPUs", remedy)
    return scaling.share(count), scaling.source
