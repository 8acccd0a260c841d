"""Benchmarks of the simulator of steps.

It stands beside the simulator of jobs, beside SimPy, and beside the plain simulators that the tests use as oracles.
"""

from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, RandomStreams
from system.service.lockstep import Lockstep
from system.service.model import ServiceModel
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, simulated_mean_s
from tests.benchmarks.support.paper_system import gbp_cr_placement, paper_system
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.simpy_steps import simpy_step_times_s
from tests.benchmarks.support.timing import rate
from tests.support.oracles.steps.lockstep import LockstepSimulation
from tests.support.oracles.steps.queues import StepSimulation
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.jobs import Jobs

SERVERS = 20
MEAN_TOKENS = 20
LOAD = 0.3
CURVE = {2: 1.1}
# Service models by name, with the claimed steps/s, and the claimed ratio to the plain simulator.
MODELS: dict[str, tuple[ServiceModel, float, float]] = {
    "steps": (Steps(), 25e6, 300.0),
    "stacks": (Steps(batching="decode", batch_curve=CURVE), 15e6, 300.0),
    "mixed": (TokenBudget(batch_curve=CURVE), 10e6, 300.0),
    "lockstep": (Lockstep(batch_curve=CURVE), 25e6, 80.0),
}


def step_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of every way to compute steps, alone and beside peers."""
    description = f"visits of {scale.step_jobs:,} jobs to servers, {MEAN_TOKENS} tokens each, {SERVERS} servers"
    few = scale.step_peer_jobs
    jffc = Peer("JFFC, jobs/s", rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, JFFC), scale.jobs), 1.5)
    simpy = Peer("SimPy", rate(lambda: simpy_step_times_s(_chains(), _jobs(few)), _steps(few, "steps")), 100.0)

    def benchmark(name: str, peer: Peer | None = None, bound: float | None = None) -> Benchmark:
        return Benchmark(f"simulator, {name}", description, "steps/s", _ours(scale, name), bound, peer)

    return [
        *(benchmark(name, bound=steps_per_s) for name, (_, steps_per_s, _) in MODELS.items()),
        *(benchmark(name, _plain(few, name)) for name in MODELS),
        benchmark("steps", simpy),
        benchmark("steps", jffc),
    ]


@cache
def _chains() -> Composition:
    system = paper_system(SERVERS)
    chains = gca(system, gbp_cr_placement(system)).under(JFFC)
    return chains.at_rate(LOAD * chains.total_rate_per_s)


@cache
def _jobs(count: int) -> Jobs:
    workload = DrawnLengths(Poisson(), count, input_tokens=MEAN_TOKENS, output_tokens=MEAN_TOKENS)
    return workload.jobs(_chains().system.arrival_rate_per_s, RandomStreams(seed=1))


@cache
def _steps(count: int, name: str) -> int:
    """Return the number of steps of these jobs under a service model.

    A job has its tokens times the servers of its chain.
    """
    hops = np.diff(_chains().hop_start)[simulate_steps(_chains(), _jobs(count), MODELS[name][0]).times.chain]
    return int(hops @ (1 + _jobs(count).lengths[:, 1]))


def _ours(scale: Scale, name: str) -> Measure:
    service = MODELS[name][0]
    return rate(lambda: simulate_steps(_chains(), _jobs(scale.step_jobs), service), _steps(scale.step_jobs, name))


def _plain(count: int, name: str) -> Peer:
    """Return the plain simulator of a service model."""
    service, _, least_ratio = MODELS[name]
    kind = LockstepSimulation if service.loop == "rounds" else StepSimulation
    run = rate(lambda: kind(_chains(), _jobs(count), service).run(), _steps(count, name))
    return Peer("plain simulator in Python", run, least_ratio)
