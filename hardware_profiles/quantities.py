"""Numbers that no hardware has, and the units in which they were probably given."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from system.checks import require, require_positive
from system.documents.entries import Entry
from system.errors import InputError
from system.limits import (
    BANDWIDTH_GB_PER_S,
    COST_PER_HOUR,
    LINK_MBYTES_PER_S,
    MEMORY_GB,
    OVERHEAD_MS,
    POWER_W,
    PREFILL_TFLOPS,
    RTT_MS,
)

FLOP_PER_BYTE = 10_000  # arithmetic over bandwidth; GPUs have 100 to 2,500
READING_S = 15  # for all of a memory; GPUs take 0.02 to 1 s
FAST_READING_S, FAST_GB_PER_S = 1e-3, 1e5
SLOW_GB_PER_S = 10  # a smaller number may be in TB/s
MEASURED_RATIO, MEASURED_S = 500, 0.1  # of a token in a block: measured over roofline, beside what software adds
GPU_TFLOPS = 10  # with less, a server may be one thread of a processor that has a huge memory


BYTES_PER_MBYTE = 1e6


class Quantity(NamedTuple):
    """The most that hardware has, and factors from other units."""

    most: float
    units: Mapping[str, float]


_TIMES = {"µs": 1e-3, "ns": 1e-6}
QUANTITIES = {
    "memory_gb": Quantity(MEMORY_GB, {"MB": 1 / 1024, "bytes": 1e-9}),
    "prefill_tflops": Quantity(PREFILL_TFLOPS, {"GFLOP/s": 1e-3, "FLOP/s": 1e-12}),
    "bandwidth_gb_per_s": Quantity(BANDWIDTH_GB_PER_S, {"MB/s": 1e-3, "bytes/s": 1e-9}),
    "overhead_s": Quantity(OVERHEAD_MS / 1e3, {"ms": 1e-3, "µs": 1e-6}),
    "overhead_ms": Quantity(OVERHEAD_MS, _TIMES),
    "rtt_ms": Quantity(RTT_MS, _TIMES),
    "latency_ms": Quantity(RTT_MS, _TIMES),
    "mbytes_per_s": Quantity(LINK_MBYTES_PER_S, {"bytes/s": 1e-6}),
    "bandwidth_mbps": Quantity(8 * LINK_MBYTES_PER_S, {"kbit/s": 1e-3, "bits/s": 1e-6}),
    "prefill_ms": Quantity(RTT_MS, _TIMES),
    "token_ms": Quantity(RTT_MS, _TIMES),
    "cost_per_hour": Quantity(COST_PER_HOUR, {}),
    "idle_w": Quantity(POWER_W, {"mW": 1e-3}),
    "busy_w": Quantity(POWER_W, {"mW": 1e-3}),
}


def require_plausible(quantity: str, value: float, field: str = "") -> None:
    """Raise `InputError` for more than any hardware has.

    The message asks for the likely unit. It names the quantity as `field`.
    """
    most, units = QUANTITIES[quantity]
    other = next((unit for unit, factor in units.items() if value * factor <= most), None)
    advice = f"is it in {other}? Give {value * units[other]:.4g}" if other else "check the number of zeros"
    require(value <= most, field or quantity, value, f"is above {most:,}, more than any GPU server has; {advice}")


def s_per_byte_of(mbytes_per_s: float | None, field: str) -> float:
    """Return the seconds that a byte takes on a link.

    The bandwidth is in 10^6 bytes/s. With None, bytes take no time.
    """
    if mbytes_per_s is None:
        return 0.0
    require_positive(**{field: mbytes_per_s})
    require_plausible("mbytes_per_s", mbytes_per_s, field)
    return 1 / (mbytes_per_s * BYTES_PER_MBYTE)


def plausible(entry: Entry, key: str, hint: str, quantity: str = "") -> float:
    """Return a number from 0 to the most that hardware has."""
    value = entry.not_negative(key, hint)
    require_plausible(quantity or key, value, entry.where(key))
    return value


def require_balanced(memory_gb: float, prefill_tflops: float, bandwidth_gb_per_s: float) -> None:
    """Raise `InputError` for numbers of which no server has all."""
    if prefill_tflops * 1e3 > FLOP_PER_BYTE * bandwidth_gb_per_s:
        doubt = f"is too much for {bandwidth_gb_per_s:g} GB/s; is it in GFLOP/s? Give {prefill_tflops / 1e3:.4g}"
        require(bandwidth_gb_per_s < SLOW_GB_PER_S, "prefill_tflops", prefill_tflops, doubt)
        doubt = f"is too little for {prefill_tflops:g} TFLOP/s; is it in TB/s? Give {bandwidth_gb_per_s * 1e3:.4g}"
        raise InputError(f"bandwidth_gb_per_s = {bandwidth_gb_per_s:g}: {doubt}")
    reading_s = memory_gb / bandwidth_gb_per_s
    if prefill_tflops >= GPU_TFLOPS:
        doubt = (
            f"takes {reading_s:.0f} s to read at {bandwidth_gb_per_s:g} GB/s; is it in MB? Give {memory_gb / 1024:.4g}"
        )
        require(reading_s <= READING_S, "memory_gb", memory_gb, doubt)
    if bandwidth_gb_per_s > FAST_GB_PER_S:
        doubt = f"reads {memory_gb:g} GB in {reading_s:.2g} s; is it in MB/s? Give {bandwidth_gb_per_s / 1e3:.4g}"
        require(reading_s >= FAST_READING_S, "bandwidth_gb_per_s", bandwidth_gb_per_s, doubt)


def require_near_roofline(field: str, measured_s: Sequence[float], roofline_s: Sequence[float]) -> None:
    """Raise `InputError` for measured times far above those of the GPU's numbers.

    Each time is that of one token in one block.
    """
    for value_s, bound_s in zip(measured_s, roofline_s, strict=True):
        remedy = f"is far above the {bound_s:.2g} s that the GPU's numbers give; is it in ms? Give {value_s / 1e3:.3g}"
        require(value_s <= MEASURED_S + MEASURED_RATIO * bound_s, field, value_s, remedy)
