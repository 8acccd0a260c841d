"""The routed schemes' simulator on the paper's clusters, beside the plain one that the tests use as an oracle."""

from functools import cache

import numpy as np

from algorithms.bprr import Bprr
from algorithms.dispatch.jffc import JFFC
from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from algorithms.routing.links import RoutedComposition
from evaluators.simulation import simulate_layout
from system import RandomStreams
from tests.benchmarks.scale import Scale
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, simulated_mean_s
from tests.benchmarks.support.paper_system import paper_system
from tests.benchmarks.support.timing import rate
from tests.support.oracles.routed_simulation import RoutedSimulation, bprr_scheme
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload

SCHEMES = {"PETALS": Petals(PetalsPlacement()), "BPRR": Bprr()}
SERVERS, FEW_SERVERS = 40, 10  # the peer lists every path


def routing_benchmarks(scale: Scale) -> list[Benchmark]:
    """PETALS and BPRR on the paper's largest cluster; BPRR beside the plain simulator on its smallest."""
    jffc = Peer("JFFC", rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, JFFC), scale.jobs), 0.02)
    what = f"{scale.routed_jobs:,} requests routed over {SERVERS} servers, drawing included"
    return [
        *(Benchmark(f"routed simulator, {n}", what, "jobs/s", _ours(n, SERVERS, scale), peer=jffc) for n in SCHEMES),
        _beside_the_plain_one(scale),
    ]


def _beside_the_plain_one(scale: Scale) -> Benchmark:
    composed, jobs = composition("BPRR", FEW_SERVERS), drawn(scale.routed_peer_jobs)
    scheme = bprr_scheme(composed.system, "fcfs")
    slots = composed.slots.tolist()
    work = rate(lambda: RoutedSimulation(composed.system, composed.placement, slots, scheme, jobs).run(), len(jobs))
    what = f"requests routed over {FEW_SERVERS} servers"
    ours = _ours("BPRR", FEW_SERVERS, scale)
    return Benchmark(
        "routed simulator, BPRR", what, "jobs/s", ours, peer=Peer("plain simulator in Python", work, 160.0)
    )


@cache
def composition(name: str, server_count: int) -> RoutedComposition:
    """What the scheme makes of the paper's cluster of that size."""
    return SCHEMES[name].compose(paper_system(server_count), np.random.default_rng(1))


def drawn(count: int) -> Jobs:
    """Jobs at the paper's rate."""
    workload = SyntheticWorkload(Poisson(), count, input_tokens=2000, output_tokens=20)
    return workload.jobs(0.2, RandomStreams(seed=1))


def _ours(name: str, server_count: int, scale: Scale) -> Measure:
    def work() -> float:
        run = simulate_layout(composition(name, server_count), drawn(scale.routed_jobs), stop_unstable=True)
        return float(run.times.response_s.mean())

    return rate(work, scale.routed_jobs)
