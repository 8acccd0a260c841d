"""Machines with several devices: their GPUs, and memory beside the GPUs for what does not fit there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardware_profiles.listed.devices import (
    Device,
    Shares,
    Times,
    device_words,
    jobs_beside,
    mean_block_s,
    most_blocks,
    with_counts,
)
from hardware_profiles.listed.gpus import GPU_KEYS, Profiles, free_memory_gb, gpu_notes, gpu_of
from hardware_profiles.listed.memory import FREE_KEYS
from hardware_profiles.listed.names import SEVERAL
from hardware_profiles.listed.ram import RAM_KEYS, ram_of, require_beside_gpu
from hardware_profiles.listed.tensor_parallel import KEY, in_parallel, parallel_device
from hardware_profiles.profile import GpuProfile
from system import ServedModel
from system.checks import require, require_at_most
from system.documents.entries import Entry
from system.limits import DEVICES
from system.words import listed

BOX_KEYS = ("gpus", KEY, *RAM_KEYS)
ITEM_KEYS = ("gpu", "count", *GPU_KEYS, *FREE_KEYS)


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
    require_beside_gpu(items[0], entry)
    gpus = [gpu_of(item, profiles) for item in items]
    devices = [_gpu_device(item, gpu, model, shares) for item, gpu in zip(items, gpus, strict=True)]
    notes = tuple(note for item in items for note in gpu_notes(item, profiles, model))
    fastest_first = sorted(range(len(gpus)), key=lambda n: -gpus[n].bandwidth_gb_per_s)
    gpus, devices = [gpus[n] for n in fastest_first], [devices[n] for n in fastest_first]
    if in_parallel(entry):
        together, note = parallel_device(entry, gpus, devices)
        devices, notes = [together], (*notes, note)
    ram = ram_of(entry, gpus, devices[0], model, shares)
    if len(gpus) == 1 and ram is None:
        return Hardware(gpus[0], devices[0].memory_gb, devices[0].block_s, notes)
    if ram is not None:
        devices, notes = [*devices, ram.device], (*notes, ram.note)
    return _box_of(entry, gpus, devices, model, notes)


def _gpu_device(item: Entry, gpu: GpuProfile, model: ServedModel, shares: Shares) -> Device:
    """Return a GPU as a device of a machine."""
    block_s = gpu.block_coefficients_s(model, shares(gpu, model))
    return Device(gpu.name, free_memory_gb(item, gpu, model), "gpu", block_s)


def _box_of(
    entry: Entry, gpus: Sequence[GpuProfile], devices: Sequence[Device], model: ServedModel, notes: tuple[str, ...]
) -> Hardware:
    """Return a machine whose blocks are spread over its devices."""
    full = max(1, min(sum(most_blocks(devices, model)), model.block_count))
    return Hardware(
        _sum_of(gpus, measured=len(devices) == len(gpus)),
        sum(device.memory_gb for device in devices),
        mean_block_s(devices, full, model),
        (*notes, *_hosting_notes(entry, gpus, model), *_notes(entry, devices, full, model)),
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


def _sum_of(gpus: Sequence[GpuProfile], *, measured: bool) -> GpuProfile:
    """Return the GPUs of a machine as one profile.

    Measured curves are kept where they hold for each of its devices.
    """
    return GpuProfile(
        with_counts([gpu.name for gpu in gpus]),
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


def _hosting_notes(entry: Entry, gpus: Sequence[GpuProfile], model: ServedModel) -> Iterator[str]:
    """Yield a line if profiles state what they host."""
    names = dict.fromkeys(gpu.name for gpu in gpus if model.name in gpu.hosting)
    if names:
        yield f"{entry.label}: what {listed(list(names))} states of hosting holds for one GPU alone, and is not used"


def _notes(entry: Entry, devices: Sequence[Device], full: int, model: ServedModel) -> Iterator[str]:
    """Yield how the blocks of a machine lie on its devices, for people."""
    if len(devices) == 1:
        return
    yield (
        f"{entry.label}: its devices fill in order of bandwidth, {full} blocks at most: "
        f"{device_words(devices, full, model)}; no time is counted between them, and "
        "their memory is counted as one, though up to a block of it may stay empty on each"
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
