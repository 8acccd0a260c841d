"""Benchmarks of GCA up to 100,000 servers, of its memory, of the choice of c, and of the search."""

from collections.abc import Callable
from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.composition_search import search
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from algorithms.proposed import Proposed
from algorithms.tuning import BestCapacity
from evaluators.points.objectives.composition import ExactMean
from evaluators.points.theory import exact_mean_s
from system import Placement, System
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.paper_system import gbp_cr_placement, overlapping_placement, paper_system
from tests.benchmarks.support.peak_memory import peak_gb_of
from tests.benchmarks.support.peers import networkx_gca
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import rate, seconds
from tests.benchmarks.support.yardstick import yardstick

PLACEMENTS = {"placed by GBP-CR": gbp_cr_placement, "random overlapping ranges": overlapping_placement}
CLAIMS_S = (0.005, 0.1, 2.0)  # J = 400, 10,000 and 100,000

PlacementRule = Callable[[System], Placement]


def composition_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of GCA, the choice of c and the search.

    GCA is measured beside networkx, by number of servers, and in peak memory.
    """
    return [*_gca_beside_networkx(scale), *_gca_by_size(scale), _gca_memory(scale), _tuning(scale), _search(scale)]


@cache
def _problem(servers: int, rule: PlacementRule) -> tuple[System, Placement]:
    system = paper_system(servers)
    return system, rule(system)


def _gca(servers: int, rule: PlacementRule) -> Measure:
    """Measure the time of GCA alone.

    The system is made in the first repetition, which does not count.
    """
    return seconds(lambda: gca(*_problem(servers, rule)))


def _gca_beside_networkx(scale: Scale) -> list[Benchmark]:
    servers = scale.networkx_servers

    def peer(rule: PlacementRule) -> Peer:
        return Peer("networkx, Dijkstra for each chain", seconds(lambda: networkx_gca(*_problem(servers, rule))))

    return [
        Benchmark("GCA", f"{servers:,} servers, {label}", "s", _gca(servers, rule), peer=peer(rule))
        for label, rule in PLACEMENTS.items()
    ]


def _gca_by_size(scale: Scale) -> list[Benchmark]:
    return [
        Benchmark("GCA", f"{servers:,} servers, {label}", "s", _gca(servers, rule), peer=yardstick(scale, claim_s))
        for servers, claim_s in zip(scale.gca_servers, CLAIMS_S, strict=True)
        for label, rule in PLACEMENTS.items()
    ]


def _gca_memory(scale: Scale) -> Benchmark:
    servers = scale.gca_servers[-1]
    measure = peak_gb_of(compose_both_ways, servers)
    return Benchmark("GCA, peak memory", f"a process that composes {servers:,} servers", "GB", measure, bound=1.0)


def compose_both_ways(server_count: int) -> None:
    """Compose chains over this many servers, under each placement."""
    system = paper_system(server_count)
    for rule in PLACEMENTS.values():
        gca(system, rule(system))


def _tuning(scale: Scale) -> Benchmark:
    scheme = Proposed(GbpCr(), gca, BestCapacity(exact_mean_s), JFFC)
    system = paper_system(scale.tuning_servers)
    description = f"every c up to {system.largest_reservation} by the exact mean, {scale.tuning_servers} servers"
    compose = seconds(lambda: scheme.compose(system, np.random.default_rng(1)))
    return Benchmark("choice of c", description, "s", compose, peer=yardstick(scale, 1.0))


def _search(scale: Scale) -> Benchmark:
    """Measure a whole search, with starts and judgement, at a load of about .8."""
    system, evaluations = paper_system(scale.search_servers, arrival_rate_per_s=1.5), scale.evaluations
    description = f"{evaluations:,} evaluations by the exact mean, {scale.search_servers} servers"
    measure = rate(lambda: search(system, ExactMean(), evaluations=evaluations), evaluations)
    return Benchmark("search", description, "evaluations/s", measure, bound=20_000)
