"""Benchmarks of the event simulator, beside SimPy, Ciw and a plain loop.

All simulate four chains of seven slots each at a load of 0.7.
"""

from collections.abc import Callable

import numpy as np

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.jiq import JIQ
from algorithms.dispatch.jsq import JSQ
from algorithms.dispatch.random_free import RANDOM_FREE
from algorithms.dispatch.sa_jsq import SA_JSQ
from algorithms.dispatch.sed import SED
from evaluators.simulation.chunks import simulate_chunks
from evaluators.simulation.jobs import chain_table
from evaluators.simulation.streamed import LARGEST_CHUNK, StreamedTimes
from system import RandomStreams
from system.dispatch import Dispatch
from system.response import TIMES
from tests.benchmarks.support.benchmark import Benchmark, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, Queue, simulated_mean_s
from tests.benchmarks.support.peak_memory import peak_gb_of
from tests.benchmarks.support.peers import ciw_responses_s, heap_responses_s, simpy_responses_s
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import rate
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload

POLICIES = {"JSQ": JSQ, "SED": SED, "JIQ": JIQ, "SA-JSQ": SA_JSQ, "random": RANDOM_FREE}

Responses = Callable[[Queue, int, int], list[float]]


def streamed_mean_s(job_count: int) -> float:
    """Return the mean response of jobs simulated in chunks.

    No more jobs than those of a chunk are in memory. Percentiles of all times are computed too.
    """
    queue = FOUR_CHAINS
    workload = SyntheticWorkload(Poisson(), job_count, input_tokens=1, output_tokens=1)
    times = StreamedTimes((), len(queue.capacity))
    chunks = workload.chunks(queue.arrival_rate_per_s, RandomStreams(seed=1), LARGEST_CHUNK)
    table = chain_table(1 / np.array(queue.rate_per_s), queue.capacity, JFFC, None)
    for served in simulate_chunks(chunks, table, JFFC):
        times.add(served.times)
    for time in TIMES:
        for quantile in (0.5, 0.95, 0.99):
            times.quantile_s(time, quantile)
    return times.mean_s("response")


def simulator_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of dispatch policies.

    JFFC runs beside the peers, and every other policy beside JFFC.
    """
    description = f"{scale.jobs:,} jobs drawn and simulated, mean response time"

    def ours(dispatch: Dispatch) -> Callable[[], float]:
        return rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, dispatch), scale.jobs)

    def peer(name: str, responses_s: Responses, jobs: int, least_ratio: float | None) -> Peer:
        return Peer(name, rate(lambda: np.mean(responses_s(FOUR_CHAINS, jobs, 1)), jobs), least_ratio)

    peers = [
        peer("SimPy", simpy_responses_s, scale.peer_jobs, 60.0),
        peer("Ciw", ciw_responses_s, scale.peer_jobs, 200.0),
        peer("heap loop in Python", heap_responses_s, scale.heap_jobs, 16.0),
    ]
    jffc = Peer("JFFC", ours(JFFC), least_ratio=0.5)
    return [
        *(Benchmark("simulator, JFFC", description, "jobs/s", ours(JFFC), peer=other) for other in peers),
        *_streamed_benchmarks(scale.streamed_jobs, Peer("all jobs in memory, the mean alone", ours(JFFC), 0.5)),
        *(
            Benchmark(f"simulator, {name}", description, "jobs/s", ours(dispatch), peer=jffc)
            for name, dispatch in POLICIES.items()
        ),
    ]


def _streamed_benchmarks(jobs: int, in_memory: Peer) -> list[Benchmark]:
    """Return the benchmarks with jobs in chunks: speed and memory."""
    description = f"{jobs:,} jobs drawn and simulated in chunks, mean and percentiles of five times"
    speed = rate(lambda: streamed_mean_s(jobs), jobs)
    memory = peak_gb_of(streamed_mean_s, jobs)
    return [
        Benchmark("simulator, JFFC, streamed", description, "jobs/s", speed, peer=in_memory),
        Benchmark("simulator, JFFC, streamed, peak memory", f"a process with {description}", "GB", memory, bound=0.5),
    ]
