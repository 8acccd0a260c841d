"""Random systems, placements, rates and jobs."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from system import Composition, InfeasibleError, Placement, ServedModel, Servers, System
from workloads.jobs import Jobs


class Queue(NamedTuple):
    """The arguments of the queueing formulas: λ, μ (K,) and c (K,)."""

    arrival_rate: float
    service_rates: np.ndarray
    capacities: np.ndarray


def served_model(block_count: int, block_memory_gb: float = 1.0, cache_memory_gb: float = 0.1) -> ServedModel:
    return ServedModel("example", block_count, block_memory_gb, cache_memory_gb, 2048, 1.0, 1.0, hidden_size=1024)


def random_system(rng: np.random.Generator, server_count: int = 12, largest_model: int = 10) -> System:
    """Return servers of unequal memory with continuous times and round trips.

    The arrival rate is low enough for most placements.
    """
    model = served_model(int(rng.integers(2, largest_model + 1)), 1.0, float(rng.uniform(0.05, 0.4)))
    memory_gb = rng.uniform(0.8, 1.5 * model.block_count, server_count)
    servers = Servers(
        memory_gb,
        rng.uniform(0.1, 2.0, (server_count, 3)) * (1, 1e-3, 1e-2),
        rng.uniform(0.02, 0.5, (server_count, 3)) * (1, 1e-3, 1e-2),
        orchestrator_rtt_s=rng.spawn(1)[0].uniform(0.01, 0.1, server_count),  # does not change the other numbers
        rtt_s=rng.uniform(0.01, 0.1, (server_count, server_count)),
        gpu_memory_gb=memory_gb,
        gpu_tflops=np.arange(1.0, server_count + 1),
    )
    return System(model, servers, float(rng.uniform(0.01, 0.5)), mean_job=(1.0, 200.0, 20.0))


def chains_of(rng: np.random.Generator, draw: Callable[[np.random.Generator], System] = random_system) -> Composition:
    """Return a composition of drawn servers with at least two chains."""
    while True:
        system = draw(rng)
        try:
            composition = gca(system, GbpCr()(system, int(rng.integers(1, 4))))
        except InfeasibleError:
            continue
        if len(composition) > 1:
            return composition


def one_server_chains(coefficients_s: np.ndarray, capacity: np.ndarray, rate: float) -> Composition:
    """Return chains of one server each; jobs compute for half of their time.

    The jobs' times have the coefficients (K, 3), or (K,) for times that depend on no length. Slower chains come later.
    """
    count = len(coefficients_s)
    servers = Servers(1 + 0.1001 * capacity, coefficients_s / 2, coefficients_s / 2)
    placement = Placement(np.zeros(count, np.int64), np.ones(count, np.int64))
    hops = np.arange(count), np.ones(count, np.int64), np.arange(count + 1), capacity
    return Composition.of_hops(System(served_model(1), servers, rate), placement, *hops)


def random_placement(rng: np.random.Generator, system: System) -> Placement:
    """Return random ranges of any length that fits.

    Ranges may overlap, and some blocks may be on no server.
    """
    model, memory_gb = system.model, system.servers.memory_gb
    most = np.minimum(memory_gb // model.block_memory_gb, model.block_count).astype(int)
    block_count = rng.integers(0, most + 1)
    return Placement(rng.integers(0, model.block_count - block_count + 1), block_count)


def random_allocations(
    rng: np.random.Generator, draw: Callable[[np.random.Generator], System], tries: int
) -> Iterator[tuple[System, Placement, Composition]]:
    """Yield drawn systems with a random placement and GCA's chains, where there are chains."""
    for _ in range(tries):
        system = draw(rng)
        placement = random_placement(rng, system)
        try:
            composition = gca(system, placement)
        except InfeasibleError:
            continue
        yield system, placement, composition


def random_queue(rng: np.random.Generator, most_states: float, decades: float = 3, load: float | None = None) -> Queue:
    """Return 1 to 5 chains with rates over some decades.

    The occupancy of the chains has at most `most_states` states.
    """
    while True:
        chain_count = int(rng.integers(1, 6))
        capacities = rng.integers(1, 13, chain_count)
        if np.prod(capacities + 1.0) <= most_states:
            break
    service_rates = 10 ** rng.uniform(-decades, 0, chain_count)
    load = float(rng.uniform(0.05, 0.99)) if load is None else load
    return Queue(load * float(service_rates @ capacities), service_rates, capacities)


def poisson_jobs(rng: np.random.Generator, count: int, rate_per_s: float) -> Jobs:
    """Return jobs with Poisson arrivals, exponential sizes and no lengths."""
    arrival_s = np.cumsum(rng.exponential(1 / rate_per_s, count))
    return Jobs(arrival_s, rng.exponential(size=count), np.zeros((1, 2)), rng.random(count))


def uneven_jobs(rng: np.random.Generator, count: int, rate_per_s: float) -> Jobs:
    """Return jobs like those of a trace, with different lengths and a varying rate.

    The rate alternates between a tenth of the given rate and three times as much.
    """
    rates = rate_per_s * np.where(np.arange(count) // 40 % 2, 0.1, 3.0)
    lengths = rng.integers(1, 400, (count, 2)).astype(np.float64)
    return Jobs(np.cumsum(rng.exponential(1 / rates)), np.ones(count), lengths, rng.random(count))
