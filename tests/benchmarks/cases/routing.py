"""Benchmarks of the simulator of routed schemes, on the paper's clusters.

One of them stands beside the plain simulator that the tests use as an oracle.
"""

from functools import cache

import numpy as np

from algorithms.bprr import Bprr
from algorithms.dispatch.jffc import JFFC
from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from algorithms.routing.links import RoutedComposition
from evaluators.simulation import simulate_layout
from system import RandomStreams
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, simulated_mean_s
from tests.benchmarks.support.paper_system import paper_system
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import rate
from tests.support.oracles.routed_simulation import RoutedSimulation, bprr_scheme
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload

SCHEMES = {"PETALS": Petals(PetalsPlacement()), "BPRR": Bprr()}
SERVERS, FEW_SERVERS = 40, 10  # few for the peer, which lists every path


def routing_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of routed schemes.

    PETALS and BPRR run on the paper's largest cluster. BPRR also runs beside the plain simulator, on the smallest
    cluster.
    """
    jffc = Peer("JFFC", rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, JFFC), scale.jobs), 0.02)
    description = f"{scale.routed_jobs:,} requests routed over {SERVERS} servers, drawing included"
    return [
        *(
            Benchmark(f"routed simulator, {name}", description, "jobs/s", _ours(name, SERVERS, scale), peer=jffc)
            for name in SCHEMES
        ),
        _beside_plain_simulator(scale),
    ]


def _beside_plain_simulator(scale: Scale) -> Benchmark:
    composed, jobs = composition("BPRR", FEW_SERVERS), drawn_jobs(scale.routed_peer_jobs)
    scheme = bprr_scheme(composed.system, "fcfs")
    slots = composed.slots.tolist()
    work = rate(lambda: RoutedSimulation(composed.system, composed.placement, slots, scheme, jobs).run(), len(jobs))
    description = f"requests routed over {FEW_SERVERS} servers"
    peer = Peer("plain simulator in Python", work, 160.0)
    return Benchmark("routed simulator, BPRR", description, "jobs/s", _ours("BPRR", FEW_SERVERS, scale), peer=peer)


@cache
def composition(name: str, server_count: int) -> RoutedComposition:
    """Return a scheme's composition of the paper's cluster.

    The cluster has the number of servers given.
    """
    return SCHEMES[name].compose(paper_system(server_count), np.random.default_rng(1))


def drawn_jobs(count: int) -> Jobs:
    """Return jobs at the paper's rate."""
    workload = SyntheticWorkload(Poisson(), count, input_tokens=2000, output_tokens=20)
    return workload.jobs(0.2, RandomStreams(seed=1))


def _ours(name: str, server_count: int, scale: Scale) -> Measure:
    def work() -> float:
        run = simulate_layout(composition(name, server_count), drawn_jobs(scale.routed_jobs), stop_unstable=True)
        return float(run.times.response_s.mean())

    return rate(work, scale.routed_jobs)
