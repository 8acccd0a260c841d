"""The peak memory of a piece of work, as Linux counts the pages of this process.

Tracing Python's memory would miss what numba allocates. A fresh process for every measurement would work on any system,
but takes a second to start, which is longer than most of the measured work. So the high-water mark of this process is
reset instead.
"""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # man 5 proc


def counted_gb(counter: str) -> float:
    """Return a counter of /proc/self/status in GB.

    `VmRSS` is the memory held now, `RssFile` its pages of files, and `VmHWM` the most that was held.
    """
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{counter}:"))
    return int(line.split()[1]) * 1024 / 1e9


def peak_memory_gb(work: Callable[[], object]) -> float | None:
    """Call a piece of work; return its peak memory in GB.

    What the process held before does not count. Returns None on systems that cannot reset the high-water mark. Freed
    memory and unreachable objects are given back to the system first; otherwise the work could reuse them without being
    counted. Pages of files, such as libraries, do not count: the system loads and drops them as it likes.
    """
    if not _reset_peak():
        work()
        return None
    held_gb = counted_gb("VmRSS") - counted_gb("RssFile")
    work()
    return max(counted_gb("VmHWM") - counted_gb("RssFile") - held_gb, 0.0)


def _reset_peak() -> bool:
    """Reset the high-water mark to the memory held now; return whether this is possible."""
    gc.collect()
    try:
        _give_back_freed_memory()
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _give_back_freed_memory() -> None:
    """Give freed memory that glibc keeps back to the system.

    Other C libraries have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
