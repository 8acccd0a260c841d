"""Runs one simulation, one exact value and one composition, and writes what of it had to be compiled.

Prints one line of JSON: compiled functions by name and how many of their signatures were not in numba's cache.
"""

import json
import sys
from collections.abc import Iterator

from numba.core.dispatcher import Dispatcher

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact
from tests.benchmarks.paper_system import gbp_cr_placement, paper_system, queue_at
from tests.benchmarks.simulator import FOUR_CHAINS, simulated_mean_s


def compiled_functions() -> Iterator[tuple[str, Dispatcher]]:
    """Every function of this project that numba may compile, in the modules that are loaded."""
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] in ("algorithms", "evaluators"):
            for value in vars(module).values():
                if isinstance(value, Dispatcher) and value.__module__ == name:
                    yield f"{name}.{value.__name__}", value


def main() -> None:
    system = paper_system(20)
    exact(*queue_at(gca(system, gbp_cr_placement(system)), load=0.7))
    simulated_mean_s(FOUR_CHAINS, 1000, JFFC)
    misses = {name: sum(function.stats.cache_misses.values()) for name, function in compiled_functions()}
    sys.stdout.write(json.dumps(misses) + "\n")


if __name__ == "__main__":
    main()
