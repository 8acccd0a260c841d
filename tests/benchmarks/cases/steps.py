"""Benchmarks of the simulator of steps.

It stands beside the simulator of jobs, and beside the plain simulator that the tests use as an oracle.
"""

from functools import cache

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from evaluators.admission.requests import RequestAdmission
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, RandomStreams
from system.service.steps import Steps
from tests.benchmarks.support.benchmark import Benchmark, Measure, Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS, simulated_mean_s
from tests.benchmarks.support.paper_system import gbp_cr_placement, paper_system
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import rate
from tests.support.oracles.step_simulation import StepSimulation
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.jobs import Jobs

SERVERS = 20
MEAN_TOKENS = 20
LOAD = 0.3
SERIAL, DECODE = Steps(), Steps(batching="decode", batch_curve={2: 1.1})


def step_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of steps, single and in stacks."""
    description = f"visits of {scale.step_jobs:,} jobs to servers, {MEAN_TOKENS} tokens each, {SERVERS} servers"
    jffc = Peer("JFFC, jobs/s", rate(lambda: simulated_mean_s(FOUR_CHAINS, scale.jobs, JFFC), scale.jobs), 0.45)
    few = scale.step_peer_jobs
    plain = Peer("plain simulator in Python", rate(lambda: _plain(few), _steps(few)), 100.0)
    return [
        Benchmark("simulator, steps", description, "steps/s", _ours(scale, SERIAL), peer=jffc),
        Benchmark("simulator, stacks", description, "steps/s", _ours(scale, DECODE), peer=jffc),
        Benchmark("simulator, steps", description, "steps/s", _ours(scale, SERIAL), peer=plain),
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
def _steps(count: int) -> int:
    """Return the number of steps of these jobs.

    A job has its tokens times the servers of its chain.
    """
    hops = np.diff(_chains().hop_start)[simulate_steps(_chains(), _jobs(count), SERIAL).times.chain]
    return int(hops @ (1 + _jobs(count).lengths[:, 1]))


def _ours(scale: Scale, service: Steps) -> Measure:
    return rate(lambda: simulate_steps(_chains(), _jobs(scale.step_jobs), service), _steps(scale.step_jobs))


def _plain(count: int) -> None:
    chains, jobs = _chains(), _jobs(count)
    StepSimulation(chains.system.servers, jobs, RequestAdmission(chains, jobs), None).run()
