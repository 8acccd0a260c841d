"""The measurement: the device's ceilings, and each model's blocks on it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from hardware_profiles.profiler.ceilings import ceiling_points, gb_per_s, tflops
from hardware_profiles.profiler.device import clock_of, dtype_of, memory_bytes, use_threads
from hardware_profiles.profiler.document import Measured
from hardware_profiles.profiler.fit import fit_block, fit_decode, fit_relay, further_share
from hardware_profiles.profiler.memory import block_bytes, require_room, token_bytes, workspace_bytes
from hardware_profiles.profiler.points import measured
from hardware_profiles.profiler.relay import relay_rows
from hardware_profiles.profiler.scope import Scope
from hardware_profiles.profiler.subject import Subject
from serving.blocks.architecture import Architecture
from serving.blocks.graphs import CudaCapture
from serving.launch.fleet import pipe
from serving.server.device import free_bytes, torch_device
from serving.server.spec import DtypeName


@dataclass(frozen=True)
class Bench:
    """Where blocks are measured and in which numbers, by name."""

    device: str
    dtype: DtypeName
    threads: int


class Subtotal(NamedTuple):
    """One model's times and bytes, and the ceilings in TFLOP/s and GB/s that were measured in the same rounds."""

    found: Measured
    byte_counts: dict[str, int]
    tflops: float
    gb_per_s: float


@dataclass(frozen=True)
class Findings:
    """A device: its name and memory, its ceilings, its models by name, and what goes to people only."""

    device: str
    memory_gb: float
    tflops: float
    gb_per_s: float
    models: Mapping[str, Measured]
    for_people: Mapping[str, Any]


def measure_models(models: Sequence[Architecture], scope: Scope, bench: Bench, processor: str) -> Findings:
    """Raises `InputError` before anything is measured where the device is not there or too small.

    `processor` is a CPU's name, which torch does not know.
    """
    device, dtype = torch_device(bench.device), dtype_of(bench.dtype)
    use_threads(bench.threads)
    for architecture in models:
        require_room(architecture, scope, dtype.itemsize, free_bytes(device))
    found = {architecture.name: _subtotal(architecture, scope, dtype, device) for architecture in models}
    if scope.relay:
        for architecture in models:
            subtotal = found[architecture.name]
            relayed = _with_relay(subtotal.found, architecture, scope, bench)
            found[architecture.name] = subtotal._replace(found=relayed)
    for_people = {
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "cuda": torch.version.cuda},
        "value_bytes": dtype.itemsize,
        "bytes": {name: entry.byte_counts for name, entry in found.items()},
    }
    return Findings(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else processor,
        memory_gb=memory_bytes(device) / 1e9,
        tflops=max(entry.tflops for entry in found.values()),
        gb_per_s=max(entry.gb_per_s for entry in found.values()),
        models={name: entry.found for name, entry in found.items()},
        for_people=for_people,
    )


def _subtotal(architecture: Architecture, scope: Scope, dtype: torch.dtype, device: torch.device) -> Subtotal:
    torch.manual_seed(0)
    subject = Subject(architecture, scope, dtype, device)
    capture = CudaCapture(device) if device.type == "cuda" else None
    timed = [*ceiling_points(dtype, device), *subject.points(capture)]
    points = measured(timed, clock_of(device), scope.warm_up, scope.rounds)
    [matrix], [copy] = points.pop("matrix"), points.pop("copy")
    fit = fit_block(points["prefill"], points["decode"], scope.shortest)
    fit.report["decode_further_share"] = further_share(points["decode_batch"])
    if "decode_graph" in points:
        fit.report["decode_graph_s"] = fit_decode(points["decode_graph"])[0]
    return Subtotal(Measured(fit, points), _byte_counts(subject, scope.longest), tflops(matrix), gb_per_s(copy))


def _with_relay(found: Measured, architecture: Architecture, scope: Scope, bench: Bench) -> Measured:
    """The relay is that of a server process on this machine; the memory of the blocks that were timed is free again."""
    torch.cuda.empty_cache()
    rows = relay_rows(architecture, scope, bench.dtype, bench.device, pipe)
    return Measured(found.fit, {**found.points, "relay": rows}, fit_relay(rows))


def _byte_counts(subject: Subject, longest: int) -> dict[str, int]:
    """Of a block's weights, of its cache for one token, and of what its longest prompt needs besides.

    The last is measured on CUDA, where torch counts it, and computed on a CPU.
    """
    architecture, value_bytes = subject.architecture, subject.dtype.itemsize
    workspace = workspace_bytes(architecture, longest, value_bytes)
    if subject.device.type == "cuda":
        run, before = subject.prefill(1, longest), torch.cuda.memory_allocated(subject.device)
        torch.cuda.reset_peak_memory_stats(subject.device)
        run()
        workspace = torch.cuda.max_memory_allocated(subject.device) - before
    return {
        "block": block_bytes(architecture, value_bytes),
        "cache_per_token": token_bytes(architecture, value_bytes),
        "workspace": workspace,
    }
