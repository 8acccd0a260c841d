"""Processes that are left of a run."""

import os
import time
from pathlib import Path


def processes_with(marker):
    """Return the numbers of other processes whose command line has the marker."""
    numbers = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                numbers.append(int(path.parent.name))
        except OSError:  # the process has just ended
            continue
    return numbers


def until(condition, limit_s=20.0):
    """Wait for a condition and return whether it holds."""
    deadline_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return condition()
