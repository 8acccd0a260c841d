"""Composes a large system and writes the most memory (GB) that this process has held."""

import resource
import sys

from algorithms.allocation.gca import gca
from evaluators.peak_memory import STATUS, counted_gb
from tests.benchmarks.paper_system import gbp_cr_placement, overlapping_placement, paper_system


def peak_gb() -> float:
    """The process's high-water mark; `ru_maxrss` on Linux would count the parent's size before the fork as well."""
    if STATUS.is_file():
        return counted_gb("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on macOS


def main(server_count: int) -> None:
    system = paper_system(server_count)
    for place in (gbp_cr_placement, overlapping_placement):
        gca(system, place(system))
    sys.stdout.write(f"{peak_gb()}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
