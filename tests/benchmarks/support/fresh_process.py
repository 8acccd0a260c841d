"""A process that runs one simulation, one exact value and one composition, and reports what it compiled.

It prints one line of JSON. For each function by name, the line says how many signatures were `compiled`, because
numba's cache lacked them, and how many were `loaded` from the cache.
"""

import json
import sys
from collections.abc import Iterator
from types import ModuleType

from numba.core.dispatcher import Dispatcher

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact
from system.code.compiler import Entry
from tests.benchmarks.support.four_chains import FOUR_CHAINS, simulated_mean_s
from tests.benchmarks.support.paper_system import gbp_cr_placement, paper_system, queue_at


def compiled_functions() -> Iterator[tuple[str, Dispatcher]]:
    """Yield the functions of loaded modules that numba may compile."""
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] in ("algorithms", "evaluators", "system"):
            yield from _functions_of(name, module)


def _functions_of(name: str, module: ModuleType) -> Iterator[tuple[str, Dispatcher]]:
    for attribute, value in vars(module).items():
        function = value.dispatcher if isinstance(value, Entry) else value
        if isinstance(function, Dispatcher) and function.__module__ == name:
            yield f"{name}.{attribute}", function


def main() -> None:
    """Run all three, then print the counts of each function."""
    system = paper_system(20)
    exact(*queue_at(gca(system, gbp_cr_placement(system)), load=0.7))
    simulated_mean_s(FOUR_CHAINS, 1000, JFFC)
    counts = {
        name: {"compiled": sum(function.stats.cache_misses.values()), "loaded": sum(function.stats.cache_hits.values())}
        for name, function in compiled_functions()
    }
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
