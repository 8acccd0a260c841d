"""Machines with several devices: their GPUs, and memory beside the GPUs for what does not fit there."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware_profiles.listed.devices import (
    Device,
    Shares,
    Times,
    device_blocks,
    jobs_beside,
    mean_block_s,
    most_blocks,
)
from hardware_profiles.listed.gpus import GPU_KEYS, Profiles, free_memory_gb, gpu_notes, gpu_of
from hardware_profiles.listed.memory import FREE_KEYS
from hardware_profiles.listed.ram import RAM_KEYS, ram_of
from hardware_profiles.profile import GpuProfile
from system import ServedModel
from system.checks import require, require_at_most, require_boolean
from system.documents.entries import Entry
from system.limits import DEVICES
from system.words import listed

BOX_KEYS = ("gpus", "tensor_parallel", *RAM_KEYS)
ITEM_KEYS = ("gpu", "count", *GPU_KEYS, *FREE_KEYS)
# "4 x rtx_3090" or "4x3090", but not "7900 xtx"
SEVERAL = re.compile(r"(?P<count>\d+)\s*[x×*](?:\s+|(?=[a-z]*[ _]?\d))(?P<gpu>.+)", re.IGNORECASE)
# Share of a linear speed-up by the number of GPUs that share each block.
TENSOR_PARALLEL = {1: 1.0, 2: 0.907, 4: 0.865, 8: 0.796}
TENSOR_SOURCE = "Megatron-LM 1.0 on the NVSwitch of a DGX-2H (nv-adlr.github.io/MegatronLMV1, Table 1)"


@dataclass(frozen=True)
class Hardware:
    """What a server is made of, as one GPU or several devices."""

    gpu: GpuProfile  # the sum of its GPUs
    free_memory_gb: float
    block_s: Times
    notes: tuple[str, ...]  # what is assumed, for people
    devices: tuple[Device, ...] = ()  # in the order in which blocks fill them; empty for one GPU
    most_blocks: int | None = None


def hardware_of(entry: Entry, profiles: Profiles, model: ServedModel, shares: Shares) -> Hardware:
    """Return the hardware of a server's entry; raise `InputError` for its first mistake."""
    items = _items_of(entry) if "gpus" in entry else [entry]
    gpus = [gpu_of(item, profiles) for item in items]
    free_gb = [free_memory_gb(item, gpu, model) for item, gpu in zip(items, gpus, strict=True)]
    notes = [note for item in items for note in gpu_notes(item, profiles, model)]
    found = [
        Device(gpu.name, size_gb, "gpu", gpu.block_coefficients_s(model, shares(gpu, model)))
        for gpu, size_gb in zip(gpus, free_gb, strict=True)
    ]
    order = sorted(range(len(gpus)), key=lambda n: -gpus[n].bandwidth_gb_per_s)
    devices = _tensor_parallel(entry, gpus, found) if _in_parallel(entry) else [found[n] for n in order]
    ram = ram_of(entry, devices[0], model, shares)
    if len(gpus) == 1 and ram is None:
        return Hardware(gpus[0], free_gb[0], found[0].block_s, tuple(notes))
    devices += [] if ram is None else [ram.device]
    full = max(1, min(sum(most_blocks(devices, model)), model.block_count))
    return Hardware(
        _sum_of(gpus, [gpus[n].name for n in order], measured=len(devices) == len(gpus)),
        sum(device.memory_gb for device in devices),
        mean_block_s(devices, full, model),
        (*notes, *_notes(entry, devices, full, model), *(() if ram is None else (ram.note,))),
        tuple(devices),
        full,
    )


def gpu_names(server: Mapping[str, Any]) -> list[str]:
    """Return the names of the GPUs of a server, as they are written."""
    listed_gpus = [content for _, content in _counted(server.get("gpus"))]
    named = [content.get("gpu") if isinstance(content, Mapping) else content for content in listed_gpus]
    return [str(name) for name in (server.get("gpu"), *named) if name is not None]


def _items_of(entry: Entry) -> list[Entry]:
    """Return an entry for each GPU of a machine."""
    for key in ("gpu", *GPU_KEYS, *FREE_KEYS):
        remedy = "give one of the two" if key == "gpu" else "give it for a GPU, as in gpus: [{gpu: rtx_3080, ...}]"
        require(key not in entry, entry.where(f"{key} beside gpus"), entry.content.get(key), remedy)
    value = entry.value("gpus", "a list of GPUs, such as [2 x rtx_3090, rtx_3060]")
    counted = _counted(value)
    require(counted != [], entry.where("gpus"), value, "must be a list of GPUs, such as [2 x rtx_3090, rtx_3060]")
    items = []
    for n, (count, content) in enumerate(counted, 1):
        item = Entry.of(
            f"GPU {n} of {entry.label}", content if isinstance(content, dict) else {"gpu": content}, ITEM_KEYS
        )
        number = Entry(item.label, {"count": count, **item.content}).count("count", "a number of GPUs", DEVICES)
        items += [item] * number
    require_at_most(DEVICES, **{f"number of gpus of {entry.label}": len(items)})
    return items


def _counted(value: Any) -> list[tuple[Any, Any]]:
    """Return the GPUs of a list with their counts."""
    if isinstance(value, Mapping) and "gpu" not in value:
        return [(count, name) for name, count in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [pair for item in value for pair in _counted(item)]
    match = SEVERAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return [(int(match["count"]), match["gpu"].strip())]
    return [] if value is None else [(1, value)]


def _in_parallel(entry: Entry) -> bool:
    """Return whether the GPUs of a machine share each block."""
    value = entry.content.get("tensor_parallel", False)
    require_boolean(**{entry.where("tensor_parallel"): value})
    require(not value or "gpus" in entry, entry.where("tensor_parallel"), value, "needs gpus, such as [4 x rtx_3090]")
    return bool(value)


def _tensor_parallel(entry: Entry, gpus: Sequence[GpuProfile], devices: Sequence[Device]) -> list[Device]:
    """Return GPUs that share each block as one device."""
    count, first = len(gpus), devices[0]
    field = entry.where("tensor_parallel")
    same = all(gpu == gpus[0] for gpu in gpus) and len({device.memory_gb for device in devices}) == 1
    require(
        same, field, "true", "needs GPUs that are equal; list unequal ones without it, and layers are split instead"
    )
    most = max(TENSOR_PARALLEL)
    remedy = f"needs 2 to {most} GPUs: no scaling beyond is known here; make machines of {most}"
    require(2 <= count <= most, field, f"true for {count} GPUs", remedy)
    once_s, input_s, output_s = first.block_s
    speed_up = count * tensor_efficiency(count)
    times_s = (once_s, input_s / speed_up, output_s / speed_up)
    return [Device(f"{count} x {first.name}", count * first.memory_gb, "gpu", times_s)]


def tensor_efficiency(count: int) -> float:
    """Return the share of a linear speed-up that some GPUs reach."""
    return float(np.interp(count, list(TENSOR_PARALLEL), list(TENSOR_PARALLEL.values())))


def _sum_of(gpus: Sequence[GpuProfile], names: Sequence[str], *, measured: bool) -> GpuProfile:
    """Return the GPUs of a machine as one profile.

    Measured curves are kept where they hold for each of its devices.
    """
    return GpuProfile(
        _label(names),
        "GPUs of one machine",
        "; ".join(dict.fromkeys(gpu.source for gpu in gpus)),
        memory_gb=_total(gpus, "memory_gb"),
        prefill_tflops=_total(gpus, "prefill_tflops"),
        bandwidth_gb_per_s=_total(gpus, "bandwidth_gb_per_s"),
        overhead_s=max(gpu.overhead_s for gpu in gpus),
        family=gpus[0].family if len({gpu.family for gpu in gpus}) == 1 else "",
        cost_per_hour=_total(gpus, "cost_per_hour"),
        idle_w=_total(gpus, "idle_w"),
        busy_w=_total(gpus, "busy_w"),
        measured_points=gpus[0].measured_points if measured and all(gpu == gpus[0] for gpu in gpus) else {},
    )


def _total(gpus: Sequence[GpuProfile], field: str) -> float:
    """Return the sum of a number that some profiles may not state."""
    total = sum(getattr(gpu, field) for gpu in gpus)
    return math.nan if math.isnan(total) else total


def _label(names: Sequence[str]) -> str:
    """Return names in words, such as "rtx_3090 + 2 x rtx_3060"."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def _notes(entry: Entry, devices: Sequence[Device], full: int, model: ServedModel) -> Iterator[str]:
    """Yield how the blocks of a machine lie on its devices, for people."""
    if _in_parallel(entry):
        count = int(devices[0].name.split()[0])
        yield (
            f"{entry.label}: {devices[0].name} share each block; its time is that of one GPU / {count} / "
            f"{tensor_efficiency(count):.3g}, as measured with {TENSOR_SOURCE}; over PCIe it is longer"
        )
    if len(devices) == 1:
        return
    held = device_blocks(devices, full, model)
    names = [device.name for device in devices]
    blocks = {name: sum(n for n, other in zip(held, names, strict=True) if other == name) for name in names}
    where = listed([f"{count} on {_label([name] * names.count(name))}" for name, count in blocks.items()])
    yield (
        f"{entry.label}: its devices fill in order of bandwidth, {full} blocks at most: {where}; no time is counted "
        "between devices of one machine"
    )
    if len({device.block_s for device in devices}) > 1:
        yield _mean_note(entry, devices, full, model)


def _mean_note(entry: Entry, devices: Sequence[Device], full: int, model: ServedModel) -> str:
    """Return between which bounds the mean time of a block lies."""
    most_jobs = jobs_beside(devices, full, model)
    mean_ms, most_ms = (1e3 * mean_block_s(devices, full, model, jobs)[2] for jobs in (1, most_jobs))
    return (
        f"{entry.label}: a block takes {mean_ms:.3g} ms a token, the mean over all {full} beside one request's cache; "
        f"{1e3 * devices[0].block_s[2]:.3g} ms where the plan hosts only as many as {devices[0].name} holds, and "
        f"{most_ms:.3g} ms beside those of {most_jobs:,} requests"
    )
