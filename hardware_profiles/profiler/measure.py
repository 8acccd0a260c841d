"""The measurement of a device's ceilings and of each model's blocks on it.

The ceilings are the rates of a large matrix product and of a large copy, with which blocks are compared.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from hardware_profiles.profiler.device import clock_of, dtype_of, memory_bytes, use_threads
from hardware_profiles.profiler.document import MeasuredModel
from hardware_profiles.profiler.fit import fit_block, fit_decode, fit_relay, further_share
from hardware_profiles.profiler.points import Row, Timing, time_points
from hardware_profiles.profiler.relay import relay_rows
from hardware_profiles.profiler.scope import Scope, block_bytes, require_room, token_bytes, workspace_bytes
from hardware_profiles.profiler.subject import Subject
from serving.blocks.graphs import CudaCapture
from serving.launch.fleet import pipe
from serving.server.device import free_bytes, torch_device
from serving.server.spec import DtypeName
from system.models.decoder import Decoder

MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}
COPY_BYTES = {"cpu": 2**27, "cuda": 2**31}  # far more than processor caches hold


@dataclass(frozen=True)
class Bench:
    """The device, number format and thread count of a measurement."""

    device: str
    dtype: DtypeName
    threads: int


class ModelResult(NamedTuple):
    """One model's times and bytes, and the ceilings that were measured in the same rounds."""

    model: MeasuredModel
    byte_counts: dict[str, int]
    tflops: float
    gb_per_s: float


@dataclass(frozen=True)
class Measurements:
    """All results: the device's name, memory and ceilings, its models by name, and details for people."""

    device: str
    memory_gb: float
    tflops: float
    gb_per_s: float
    models: Mapping[str, MeasuredModel]
    details: Mapping[str, Any]


def measure_models(models: Sequence[Decoder], scope: Scope, bench: Bench, processor: str) -> Measurements:
    """Measure models on a device.

    `processor` is the name of the CPU, which torch does not know. Raises `InputError` before measuring if there is no
    such device or if its memory is too small.
    """
    device, dtype = torch_device(bench.device), dtype_of(bench.dtype)
    use_threads(bench.threads)
    for decoder in models:
        require_room(decoder, scope, dtype.itemsize, free_bytes(device))
    results = {decoder.name: _measure_model(decoder, scope, dtype, device) for decoder in models}
    if scope.relay:
        for decoder in models:
            result = results[decoder.name]
            results[decoder.name] = result._replace(model=_with_relay(result.model, decoder, scope, bench))
    details = {
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "cuda": torch.version.cuda},
        "value_bytes": dtype.itemsize,
        "bytes": {name: entry.byte_counts for name, entry in results.items()},
    }
    return Measurements(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else processor,
        memory_gb=memory_bytes(device) / 1e9,
        tflops=max(entry.tflops for entry in results.values()),
        gb_per_s=max(entry.gb_per_s for entry in results.values()),
        models={name: entry.model for name, entry in results.items()},
        details=details,
    )


def ceiling_points(dtype: torch.dtype, device: torch.device) -> list[Timing]:
    """Return the timings of the ceilings.

    They are a product of two n x n matrices and a copy. The coordinate of the product is n, that of the copy is the
    number of bytes read and written.
    """
    n, count = MATRIX_SIZE[device.type], COPY_BYTES[device.type] // dtype.itemsize
    left, right, product = torch.randn(3, n, n, dtype=dtype, device=device)
    source = torch.randn(count, dtype=dtype, device=device)
    target = torch.empty_like(source)
    return [
        Timing("matrix", (n,), lambda: torch.mm(left, right, out=product)),
        Timing("copy", (2 * COPY_BYTES[device.type],), lambda: target.copy_(source)),
    ]


def tflops(matrix: Row) -> float:
    """Return the TFLOP/s of a matrix product.

    It takes n multiplications and n additions for each of n² sums.
    """
    return 2 * matrix[0] ** 3 / matrix[1] / 1e12


def gb_per_s(copy: Row) -> float:
    """Return the GB/s of a copy."""
    return copy[0] / copy[1] / 1e9


def _measure_model(decoder: Decoder, scope: Scope, dtype: torch.dtype, device: torch.device) -> ModelResult:
    torch.manual_seed(0)
    subject = Subject(decoder, scope, dtype, device)
    capture = CudaCapture(device) if device.type == "cuda" else None
    timed = [*ceiling_points(dtype, device), *subject.points(capture)]
    points = time_points(timed, clock_of(device), scope.warm_up, scope.rounds)
    [matrix], [copy] = points.pop("matrix"), points.pop("copy")
    fit = fit_block(points["prefill"], points["decode"], scope.shortest)
    fit.report["decode_further_share"] = further_share(points["decode_batch"])
    if "decode_graph" in points:
        fit.report["decode_graph_s"] = fit_decode(points["decode_graph"])[0]
    byte_counts = _byte_counts(subject, scope.longest)
    return ModelResult(MeasuredModel(fit, points), byte_counts, tflops(matrix), gb_per_s(copy))


def _with_relay(model: MeasuredModel, decoder: Decoder, scope: Scope, bench: Bench) -> MeasuredModel:
    """Add the relay to a server process to a model's measurements."""
    torch.cuda.empty_cache()  # gives the memory of the timed blocks back, which the server's process needs
    rows = relay_rows(decoder, scope, bench.dtype, bench.device, pipe)
    return MeasuredModel(model.fit, {**model.points, "relay": rows}, fit_relay(rows))


def _byte_counts(subject: Subject, longest: int) -> dict[str, int]:
    """Return the bytes of a block's weights, cache and workspace.

    The cache is that of one token. The workspace is what the longest prompt needs beside weights and cache. It is
    measured on CUDA, where torch counts it, and computed on a CPU.
    """
    decoder, value_bytes = subject.decoder, subject.dtype.itemsize
    workspace = workspace_bytes(decoder, longest, value_bytes)
    if subject.device.type == "cuda":
        run, before = subject.prefill(1, longest), torch.cuda.memory_allocated(subject.device)
        torch.cuda.reset_peak_memory_stats(subject.device)
        run()
        workspace = torch.cuda.max_memory_allocated(subject.device) - before
    return {
        "block": block_bytes(decoder, value_bytes),
        "cache_per_token": token_bytes(decoder, value_bytes),
        "workspace": workspace,
    }
