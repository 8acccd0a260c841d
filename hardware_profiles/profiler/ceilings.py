"""What a device can do at best, to hold blocks against: a large matrix product, and a large copy."""

import torch

from hardware_profiles.profiler.points import Row, Timing

MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}
COPY_BYTES = {"cpu": 2**27, "cuda": 2**31}  # far more than caches hold


def ceiling_points(dtype: torch.dtype, device: torch.device) -> list[Timing]:
    """(n) for the product of two n x n matrices, (bytes) for a copy, read and written."""
    n, count = MATRIX_SIZE[device.type], COPY_BYTES[device.type] // dtype.itemsize
    left, right, product = torch.randn(3, n, n, dtype=dtype, device=device)
    source = torch.randn(count, dtype=dtype, device=device)
    target = torch.empty_like(source)
    return [
        Timing("matrix", (n,), lambda: torch.mm(left, right, out=product)),
        Timing("copy", (2 * COPY_BYTES[device.type],), lambda: target.copy_(source)),
    ]


def tflops(matrix: Row) -> float:
    """TFLOP/s of a product, n multiplications and n additions for each of n² sums."""
    return 2 * matrix[0] ** 3 / matrix[1] / 1e12


def gb_per_s(copy: Row) -> float:
    """GB/s of a copy."""
    return copy[0] / copy[1] / 1e9
