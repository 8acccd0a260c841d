"""GCA up to 100,000 servers, its memory, and the choice of c."""

from collections.abc import Callable
from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from algorithms.proposed import Proposed
from algorithms.tuning import BestCapacity
from evaluators.points.theory import exact_mean_s
from system import Placement, System
from tests.benchmarks.scale import Scale
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.paper_system import gbp_cr_placement, overlapping_placement, paper_system
from tests.benchmarks.support.peak_memory import peak_gb_of
from tests.benchmarks.support.peers import networkx_gca
from tests.benchmarks.support.timing import seconds
from tests.benchmarks.support.yardstick import yardstick

PLACEMENTS = {"placed by GBP-CR": gbp_cr_placement, "random overlapping ranges": overlapping_placement}
CLAIMS_S = (0.005, 0.1, 2.0)  # J = 400, 10,000 and 100,000

Place = Callable[[System], Placement]


def composition_benchmarks(scale: Scale) -> list[Benchmark]:
    """GCA beside networkx, by size, in memory, and within the choice of c."""
    return [*_gca_beside_networkx(scale), *_gca_by_size(scale), _gca_memory(scale), _tuning(scale)]


@cache
def _problem(servers: int, place: Place) -> tuple[System, Placement]:
    system = paper_system(servers)
    return system, place(system)


def _gca(servers: int, place: Place) -> Measure:
    """GCA's time alone: the system is made in the repetition that does not count."""
    return seconds(lambda: gca(*_problem(servers, place)))


def _gca_beside_networkx(scale: Scale) -> list[Benchmark]:
    servers = scale.networkx_servers

    def peer(place: Place) -> Peer:
        return Peer("networkx, Dijkstra for each chain", seconds(lambda: networkx_gca(*_problem(servers, place))))

    return [
        Benchmark("GCA", f"{servers:,} servers, {label}", "s", _gca(servers, place), peer=peer(place))
        for label, place in PLACEMENTS.items()
    ]


def _gca_by_size(scale: Scale) -> list[Benchmark]:
    return [
        Benchmark("GCA", f"{servers:,} servers, {label}", "s", _gca(servers, place), peer=yardstick(scale, claim_s))
        for servers, claim_s in zip(scale.gca_servers, CLAIMS_S, strict=True)
        for label, place in PLACEMENTS.items()
    ]


def _gca_memory(scale: Scale) -> Benchmark:
    servers = scale.gca_servers[-1]
    measure = peak_gb_of(compose_both_ways, servers)
    return Benchmark("GCA, peak memory", f"a process that composes {servers:,} servers", "GB", measure, bound=1.0)


def compose_both_ways(server_count: int) -> None:
    system = paper_system(server_count)
    for place in PLACEMENTS.values():
        gca(system, place(system))


def _tuning(scale: Scale) -> Benchmark:
    scheme = Proposed(GbpCr(), gca, BestCapacity(exact_mean_s), JFFC)
    system = paper_system(scale.tuning_servers)
    what = f"every c up to {system.largest_reservation} by the exact mean, {scale.tuning_servers} servers"
    compose = seconds(lambda: scheme.compose(system, np.random.default_rng(1)))
    return Benchmark("choice of c", what, "s", compose, peer=yardstick(scale, 1.0))
