"""The event simulator beside SimPy, Ciw and a plain loop: four chains of seven slots at a load of 0.7."""

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
from tests.benchmarks.scale import Scale
from tests.benchmarks.support.benchmark import Benchmark, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, Queue, simulated_mean_s
from tests.benchmarks.support.peak_memory import peak_gb_of
from tests.benchmarks.support.peers import ciw_responses_s, heap_responses_s, simpy_responses_s
from tests.benchmarks.support.timing import rate
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload

POLICIES = {"JSQ": JSQ, "SED": SED, "JIQ": JIQ, "SA-JSQ": SA_JSQ, "random": RANDOM_FREE}

Responses = Callable[[Queue, int, int], list[float]]


def streamed_mean_s(job_count: int) -> float:
    """The same with no more jobs in memory than a chunk has, and their percentiles."""
    queue = FOUR_CHAINS
    workload = SyntheticWorkload(Poisson(), job_count, input_tokens=1, output_tokens=1)
    seen = StreamedTimes((), len(queue.capacity))
    chunks = workload.chunks(queue.arrival_rate_per_s, RandomStreams(seed=1), LARGEST_CHUNK)
    table = chain_table(1 / np.array(queue.rate_per_s), queue.capacity, JFFC, None)
    for served in simulate_chunks(chunks, table, JFFC):
        seen.add(served.times)
    for time in TIMES:
        for q in (0.5, 0.95, 0.99):
            seen.quantile_s(time, q)
    return seen.mean_s("response")


def simulator_benchmarks(scale: Scale) -> list[Benchmark]:
    """JFFC beside the peers, then every other policy beside JFFC."""
    what = f"{scale.jobs:,} jobs drawn and simulated, mean response time"

    def ours(dispatch: Dispatch) -> Callable[[], float]:
        return rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, dispatch), scale.jobs)

    def other(name: str, responses_s: Responses, jobs: int, least_ratio: float | None) -> Peer:
        return Peer(name, rate(lambda: np.mean(responses_s(FOUR_CHAINS, jobs, 1)), jobs), least_ratio)

    peers = [
        other("SimPy", simpy_responses_s, scale.peer_jobs, 60.0),
        other("Ciw", ciw_responses_s, scale.peer_jobs, 200.0),
        other("heap loop in Python", heap_responses_s, scale.heap_jobs, 16.0),
    ]
    jffc = Peer("JFFC", ours(JFFC), least_ratio=0.5)
    return [
        *(Benchmark("simulator, JFFC", what, "jobs/s", ours(JFFC), peer=peer) for peer in peers),
        *_streamed_benchmarks(scale.streamed_jobs, Peer("all jobs in memory, the mean alone", ours(JFFC), 0.5)),
        *(Benchmark(f"simulator, {name}", what, "jobs/s", ours(POLICIES[name]), peer=jffc) for name in POLICIES),
    ]


def _streamed_benchmarks(jobs: int, in_memory: Peer) -> list[Benchmark]:
    """Speed and memory of jobs in chunks."""
    what = f"{jobs:,} jobs drawn and simulated in chunks, mean and percentiles of five times"
    speed = rate(lambda: streamed_mean_s(jobs), jobs)
    memory = peak_gb_of(streamed_mean_s, jobs)
    return [
        Benchmark("simulator, JFFC, streamed", what, "jobs/s", speed, peer=in_memory),
        Benchmark("simulator, JFFC, streamed, peak memory", f"a process with {what}", "GB", memory, bound=0.5),
    ]
