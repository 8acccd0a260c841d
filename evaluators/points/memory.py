"""How much memory a piece of work holds at its worst, as Linux counts the pages of this process.

What numba allocates no tracing of Python's memory sees. A fresh process a measurement would show it on any system, but
takes a second to start, longer than most of what is measured; so the process's own high-water mark is set back.
"""

import ctypes
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # man 5 proc


def counted_gb(counter: str) -> float:
    """A counter of /proc/self/status: `VmRSS`, the memory held now, or `VmHWM`, the most that was held."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{counter}:"))
    return int(line.split()[1]) * 1024 / 1e9


def reset_peak() -> float | None:
    """Set the high-water mark back to what is held now, and return that (GB); None where the system cannot.

    Memory that was freed before is first given back: reused without being counted, it would hide what is measured.
    """
    try:
        _give_back_freed_memory()
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return None
    return counted_gb("VmRSS")


def _give_back_freed_memory() -> None:
    """glibc keeps it otherwise; other C libraries have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
