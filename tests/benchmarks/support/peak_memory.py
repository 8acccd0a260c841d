"""Peak memory of a function that is called with a number in a process of its own.

Run as a script, this module calls the function and prints the peak memory in GB.
"""

import resource
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

from evaluators.points.memory import STATUS, counted_gb
from system.code.source import ROOT
from tests.benchmarks.support.benchmark import Measure


def peak_gb_of(work: Callable[[int], object], size: int) -> Measure:
    """Return a measure of the peak memory of `work(size)`.

    It is in GB. `work` must be a function of a module. The memory includes the imports of the process.
    """
    command = [sys.executable, "-m", "tests.benchmarks.support.peak_memory", work.__module__, work.__name__, str(size)]
    return lambda: float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def peak_gb() -> float:
    """Return the most memory that this process has held, in GB.

    On Linux, `ru_maxrss` would also count the size of the parent before the fork.
    """
    if STATUS.is_file():
        return counted_gb("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on macOS


def main(module: str, name: str, size: int) -> None:
    """Call a function of a module; print the peak memory."""
    getattr(import_module(module), name)(size)
    sys.stdout.write(f"{peak_gb()}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
