"""Calls a function with a number in a process of its own, and writes the most memory (GB) that it has held."""

import resource
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

from evaluators.points.memory import STATUS, counted_gb
from system.code.source import ROOT
from tests.benchmarks.support.benchmark import Measure


def peak_gb_of(work: Callable[[int], object], size: int) -> Measure:
    """Measures `work(size)`, a function of a module; with the process's imports."""
    command = [sys.executable, "-m", "tests.benchmarks.support.peak_memory", work.__module__, work.__name__, str(size)]
    return lambda: float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def peak_gb() -> float:
    """The process's high-water mark; `ru_maxrss` on Linux would count the parent's size before the fork as well."""
    if STATUS.is_file():
        return counted_gb("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on macOS


def main(module: str, name: str, size: int) -> None:
    getattr(import_module(module), name)(size)
    sys.stdout.write(f"{peak_gb()}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
