"""Layouts and jobs of the tests of steps, and the comparison with the plain simulators."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from evaluators.simulation import JobTimes
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, Placement, Servers, System
from system.layout import Layout
from system.response import Run
from system.service.model import ServiceModel
from system.service.steps import Steps
from tests.support.oracles.instances import chains_of, random_system, served_model
from tests.support.oracles.steps.lockstep import LockstepSimulation
from tests.support.oracles.steps.queues import StepSimulation
from workloads.jobs import Jobs


def token_jobs(rng: np.random.Generator, count: int, rate_per_s: float, most_tokens: int = 40) -> Jobs:
    """Return jobs with Poisson arrivals and whole tokens; some have a single output token."""
    lengths = np.column_stack([rng.integers(1, 400, count), rng.integers(0, most_tokens, count)])
    return Jobs(np.cumsum(rng.exponential(1 / rate_per_s, count)), np.ones(count), lengths, rng.random(count))


def one_server(slots: int, communication_s: tuple, block_s: tuple) -> Composition:
    """Return one server that hosts both blocks and serves `slots` jobs at once.

    The rule is JFFC.
    """
    system = System(served_model(2), Servers([2 + slots * 0.2], [communication_s], [block_s]), 1.0, (1.0, 100.0, 10.0))
    hops = np.zeros(1, np.int64), np.full(1, 2), np.array([0, 1])
    return Composition.of_hops(system, Placement([0], [2]), *hops, np.array([slots])).under(JFFC)


def on_a_grid(servers: Servers) -> Servers:
    """Return servers whose times are small multiples of powers of 2.

    Sums of such times are exact, and often equal. A one-token step takes longer than the fixed part of a prompt, so
    that later chunks pay for reading the weights.
    """
    once, token = 2.0**-4, 2.0**-12
    step_s = np.array([once, token, once])
    visits_s = {"communication_s": servers.communication_s, "overhead_s": servers.overhead_s}
    ways_s = {"rtt_s": (servers.rtt_s, 2 * once), "activation_s": (servers.activation_s, token)}
    return replace(
        servers,
        block_s=step_s * (1, 1, 4) * np.maximum(1, np.round(servers.block_s / (8 * step_s))),
        **{
            name: 2 * step_s * np.maximum(1, np.round(v / (8 * step_s)))
            for name, v in visits_s.items()
            if v is not None
        },
        **{name: least * np.ceil(v / least) for name, (v, least) in ways_s.items() if v is not None},
    )


def with_direct_hops(system: System, rng: np.random.Generator) -> System:
    """Return a system with direct hops over links that all differ."""
    count = len(system.servers)
    servers = replace(
        system.servers,
        rtt_s=rng.uniform(0.01, 1.0, (count, count)),
        overhead_s=rng.uniform(0.01, 0.2, (count, 3)) * (1, 1e-3, 1),
        activation_s=rng.uniform(1e-4, 2e-3, (count, count)),
    )
    return replace(system, servers=servers, forwarding="direct")


def chains_on_a_grid(rng: np.random.Generator, is_direct: bool = False) -> Composition:
    """Return a composition with at least two chains whose times are on a grid."""

    def draw(rng: np.random.Generator) -> System:
        system = with_direct_hops(random_system(rng), rng) if is_direct else random_system(rng)
        return replace(system, servers=on_a_grid(system.servers))

    return chains_of(rng, draw)


def jobs_on_a_grid(rng: np.random.Generator, count: int, rate_per_s: float) -> Jobs:
    """Return jobs of few lengths that arrive at multiples of 1/4 s."""
    jobs = token_jobs(rng, count, rate_per_s, 8)
    return replace(jobs, arrival_s=np.round(4 * jobs.arrival_s) / 4, lengths=np.ceil(jobs.lengths / (100, 4)) * (64, 1))


@dataclass(frozen=True, kw_only=True)
class StepsInTurn(Steps):
    """Steps whose computation times are multiplied by listed factors, one after another."""

    listed: tuple[float, ...]

    def factors(self, rng: np.random.Generator | None) -> np.ndarray:
        return np.array(self.listed)


def in_turn(factors: np.ndarray, **settings) -> StepsInTurn:
    """Return steps that take the listed factors in turn."""
    return StepsInTurn(listed=tuple(factors.tolist()), **settings)


def assert_as_the_plain_simulator(layout: Layout, jobs: Jobs, service: ServiceModel) -> Run:
    """Compare every job, part and server with the plain simulator; return the run."""
    plain = (LockstepSimulation if service.loop == "rounds" else StepSimulation)(layout, jobs, service)
    served = plain.run()
    run = simulate_steps(layout, jobs, service)
    ours = run.times
    expected = {
        "waiting_s": [job.start_s for job in served] - jobs.arrival_s,
        "response_s": [job.end_s for job in served] - jobs.arrival_s,
        "first_token_s": [job.first_token_s for job in served] - jobs.arrival_s,
    }
    for name, values in expected.items():
        assert getattr(ours, name) == pytest.approx(values, rel=1e-9, abs=1e-9), name
    assert set(ours.parts) == {"compute", "queue", "communication"}
    for name, values in ours.parts.items():
        assert values == pytest.approx([getattr(job, f"{name}_s") for job in served], rel=1e-9, abs=1e-9), name
    assert busy_s(run) == pytest.approx(plain.busy_s)
    assert sum(ours.parts.values()) == pytest.approx(ours.service_s, rel=1e-9)
    return run


def busy_s(run: Run) -> np.ndarray:
    """Return (J,) the seconds in which each server computed.

    Its utilisation is a share of the time from the first arrival to the last end.
    """
    times = run.times
    return run.utilisation * ((times.arrival_s + times.response_s).max() - times.arrival_s[0])


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean over independent runs and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def after_the_start(run: Run) -> JobTimes:
    """Return the times without those of the first tenth of the jobs."""
    return run.times.after_warm_up(0.1)
