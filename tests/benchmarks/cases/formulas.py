"""Benchmarks of the exact response time and of Theorem 4's bounds.

A small queue stands beside a Markov solve; large queues are measured alone.
"""

from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from evaluators.queueing import exact, markov, theorem4
from tests.benchmarks.support.benchmark import Benchmark, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS
from tests.benchmarks.support.paper_system import gbp_cr_placement, paper_system, queue_at
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import seconds
from tests.benchmarks.support.yardstick import yardstick


def formula_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of the exact mean and Theorem 4.

    The queues have 28 slots, 1,000 slots in 40 rates, and the chains of 100,000 servers.
    """
    small = Peer("sparse Markov solve, 4096 states and the queue", seconds(lambda: markov(*FOUR_CHAINS)))
    rates, capacity = np.geomspace(1, 0.1, 40), np.full(40, scale.slots_per_rate)
    slots = f"{capacity.sum():,} slots in 40 rates, load 0.8, to 1e-9"
    forty = seconds(lambda: exact(0.8 * float(rates @ capacity), rates, capacity))
    servers = scale.gca_servers[-1]
    chains = f"chains of GCA for {servers:,} servers, load 0.7"
    return [
        Benchmark("exact mean", "28 slots in 4 rates, load 0.7", "s", seconds(lambda: exact(*FOUR_CHAINS)), peer=small),
        Benchmark("exact mean", slots, "s", forty, peer=yardstick(scale, 3e-3)),
        Benchmark("exact mean", chains, "s", seconds(lambda: exact(*_queue(servers))), peer=yardstick(scale, 3.0)),
        Benchmark("Theorem 4", chains, "s", seconds(lambda: theorem4(*_queue(servers)))),
    ]


@cache
def _queue(servers: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return λ, μ and c of a composition.

    It is made in the first repetition, which does not count.
    """
    system = paper_system(servers)
    return queue_at(gca(system, gbp_cr_placement(system)), load=0.7)
