"""Benchmarks of the exact response time, of bounds, and of theory where requests slow each other.

A small queue stands beside a Markov solve; large queues are measured alone.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.queueing import exact, markov, theorem4
from evaluators.queueing.certificate.certificate import Certificate
from evaluators.queueing.certificate.hosts import hosts_of
from evaluators.queueing.interference import interference, largest_rate_per_s
from evaluators.queueing.thresholds import best_thresholds
from system import Composition, Servers, System
from system.service.steps import Steps
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS
from tests.benchmarks.support.paper_system import gbp_cr_placement, paper_system, queue_at
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import seconds
from tests.benchmarks.support.yardstick import yardstick
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths

TOKENS = DrawnLengths(Poisson(), 1, input_tokens=2000, output_tokens=20)
INTERFERENCE_S = 0.05  # the claim, at any of the sizes
THRESHOLDS_S = 0.5  # the claim for 30 chains


def formula_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of the exact mean, bounds and interference.

    The queues have 28 slots, 1,000 slots in 40 rates, and the chains of 100,000 servers. Those in which requests slow
    each other are the chains of a few dozen servers.
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
        _thresholds(scale),
        *_certificates(scale),
        *(_interference(servers, scale) for servers in scale.interference_servers),
    ]


def _thresholds(scale: Scale) -> Benchmark:
    """Measure the search for the best thresholds of 30 chains."""
    rates, capacity = np.geomspace(1, 0.1, 30), np.tile([1, 3, 5, 7, 9], 6)
    description = f"best thresholds of 30 chains with {capacity.sum()} slots in 30 rates, load 0.8"
    measure = seconds(lambda: best_thresholds(0.8 * float(rates @ capacity), rates, capacity))
    return Benchmark("thresholds", description, "s", measure, peer=yardstick(scale, THRESHOLDS_S))


def _interference(servers: int, scale: Scale) -> Benchmark:
    """Measure the mean times of step queues at half of the largest stable rate."""
    description = f"means of step queues on the chains of GCA for {servers} servers, half of the largest stable rate"
    measure = seconds(lambda: interference(_half_saturated(servers), TOKENS, Steps()))
    return Benchmark("interference", description, "s", measure, peer=yardstick(scale, INTERFERENCE_S))


def _certificates(scale: Scale) -> list[Benchmark]:
    """Measure the certificate of unequal servers, and of many servers of ten types."""
    unequal, many = scale.interference_servers[-1], scale.gca_servers[0]
    text = "bounds on the mean response time and the rate at load 0.8"
    return [
        Benchmark("certificate", f"{text}, {unequal} servers", "s", _bounds(paper_system(unequal)), bound=2.0),
        Benchmark("certificate", f"{text}, {many} servers of 10 types", "s", _bounds(_of_types(many, 10)), bound=1.0),
    ]


def _bounds(system: System) -> Measure:
    """Measure both bounds at 0.8 of the rate of GCA's chains."""
    rate_per_s = 0.8 * gca(system, gbp_cr_placement(system)).total_rate_per_s
    return seconds(lambda: Certificate(hosts_of(system)).response(rate_per_s))


def _of_types(server_count: int, types: int) -> System:
    """Return servers that are all equal to one of the first ones."""
    system = paper_system(max(server_count, types))
    chosen, servers = np.arange(server_count) % types, system.servers
    parts = servers.memory_gb, servers.communication_s, servers.block_s
    return replace(system, servers=Servers(*(part[chosen] for part in parts)))


@cache
def _half_saturated(servers: int) -> Composition:
    """Return chains under JFFC at half of their largest stable rate."""
    system = paper_system(servers)
    chains = gca(system, gbp_cr_placement(system)).under(JFFC)
    return chains.at_rate(largest_rate_per_s(chains, TOKENS, Steps()) / 2)


@cache
def _queue(servers: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return λ, μ and c of a composition.

    It is made in the first repetition, which does not count.
    """
    system = paper_system(servers)
    return queue_at(gca(system, gbp_cr_placement(system)), load=0.7)
