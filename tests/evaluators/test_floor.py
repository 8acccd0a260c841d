"""The lower bound on any scheme's response time: its fastest chain by brute force, and that no scheme beats it."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.bprr import Bprr
from algorithms.petals import Petals
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.whole_model import whole_model
from evaluators.points.theory import exact_mean_s
from evaluators.queueing.floor import fastest_chain_s, response_floor_s
from evaluators.simulation import simulate_layout
from sweep.instantiate import evaluate
from system import Composition, InfeasibleError, NotApplicableError, Servers, System, UnstableError
from tests.support.oracles.instances import poisson_jobs, random_system, served_model
from tests.support.oracles.queueing import multi_server_response_s
from tests.support.project import SMALL, case_of

Compose = Callable[[System], Composition]
CHAINS: dict[str, Compose] = {
    "proposed": lambda system: gca(system, GbpCr()(system, 1)),
    "jffc_only": lambda system: gca(system, whole_model(system, 1)),
}
ROUTED = {"petals": Petals(PetalsPlacement()), "bprr": Bprr()}


def brute_force_s(system: System) -> float:
    """Return the least time over all ways to divide the blocks among servers.

    Each server also needs room for one job's cache.
    """
    model, servers = system.model, range(len(system.servers))
    per_block_gb = model.block_memory_gb + model.cache_memory_gb
    most = [min(int(memory_gb / per_block_gb), model.block_count) for memory_gb in system.servers.memory_gb]
    visit_s = [
        [system.communication_s[j] * (k > 0) + system.block_s[j] * k for k in range(most[j] + 1)] for j in servers
    ]
    splits = (split for split in product(*(range(m + 1) for m in most)) if sum(split) == model.block_count)
    return min((sum(visit_s[j][split[j]] for j in servers) for split in splits), default=np.inf)


def at_load(composition: Composition, load: float) -> System:
    """Return the composition's system at a share of its total service rate."""
    return replace(composition.system, arrival_rate_per_s=load * composition.total_rate_per_s)


def composed_systems(compose: Compose, seed: int, count: int) -> list[Composition]:
    """Return compositions of `count` random systems that are feasible."""
    rng, compositions = np.random.default_rng(seed), []
    while len(compositions) < count:
        try:
            compositions.append(compose(random_system(rng)))
        except InfeasibleError:
            continue
    return compositions


def test_fastest_chain_is_the_fastest_of_all_divisions_of_blocks():
    rng = np.random.default_rng(341)
    infinite = several = 0
    for _ in range(200):
        system = random_system(rng, server_count=int(rng.integers(1, 5)), largest_model=6)
        fastest_s = fastest_chain_s(system)
        assert fastest_s == pytest.approx(brute_force_s(system), rel=1e-12)
        alone_s = brute_force_s(replace(system, servers=only_largest(system.servers)))
        infinite += np.isinf(fastest_s)
        several += fastest_s < alone_s
    assert infinite > 20
    assert several > 50


def only_largest(servers: Servers) -> Servers:
    """Return only the server with the most memory."""
    j = int(servers.memory_gb.argmax())
    return Servers(servers.memory_gb[[j]], servers.communication_s[[j]], servers.block_s[[j]])


@pytest.mark.parametrize(("load", "nearest"), [(0.3, 0.1), (0.9, 1.0)])
@pytest.mark.parametrize("name", CHAINS)
def test_no_chains_beat_the_floor(name, load, nearest):
    """Compare the exact means of chains, and their fastest chain, with the floor.

    The best of the systems is within `nearest`, relatively, of its floor.
    """
    gaps = []
    for composition in composed_systems(CHAINS[name], 342, 60):
        system = at_load(composition, load)
        assert fastest_chain_s(system) <= composition.mean_service_s[0] * (1 + 1e-12)
        gaps.append(exact_mean_s(replace(composition, system=system)) / response_floor_s(system) - 1)
    assert min(gaps) >= -1e-9
    assert min(gaps) < nearest


def simulated_means_s(name: str, system: System, rng: np.random.Generator) -> np.ndarray:
    """Return the mean response times of ten runs; raise `UnstableError` if one is unstable."""
    routed = ROUTED[name].compose(system, rng)
    lengths = np.array([system.mean_job[1:]])
    jobs = [replace(poisson_jobs(rng, 4000, system.arrival_rate_per_s), lengths=lengths) for _ in range(10)]
    runs = [simulate_layout(routed, replication, stop_unstable=True).times for replication in jobs]
    return np.array([times.after_warm_up(0.2).response_s.mean() for times in runs])


@pytest.mark.parametrize("load", [0.3, 0.9])
@pytest.mark.parametrize("name", ROUTED)
def test_no_routing_beats_the_floor(name, load):
    """Compare simulated means with the floor, up to four standard errors of ten runs.

    Where the chains of GBP-CR have a load of .9, PETALS is rarely stable.
    """
    rng, compared = np.random.default_rng(343), 0
    for composition in composed_systems(CHAINS["proposed"], 344, 100):
        system = at_load(composition, load)
        try:
            means_s = simulated_means_s(name, system, rng)
        except (InfeasibleError, UnstableError):
            continue
        error_s = means_s.std(ddof=1) / np.sqrt(means_s.size)
        assert means_s.mean() + 4 * error_s >= response_floor_s(system)
        compared += 1
        if compared == 8:
            break
    assert compared >= 4


def whole_model_system(memory_gb: float, arrival_rate_per_s: float = 1.0) -> System:
    """Return one server with a model of 5 blocks.

    A block takes 1 GB, and a job's cache 0.1 GB per block. A job takes 1.25 s.
    """
    return System(served_model(5), Servers([memory_gb], [0.7], [0.11]), arrival_rate_per_s)


@pytest.mark.parametrize(("memory_gb", "slots"), [(5.5, 1), (5.99, 1), (6, 2), (7.3, 4), (30, 50)])
@pytest.mark.parametrize("load", [0.3, 0.9, 0.999])
def test_one_server_that_hosts_the_whole_model_reaches_the_floor(memory_gb, slots, load):
    system = whole_model_system(memory_gb, load * slots / 1.25)
    composition = CHAINS["jffc_only"](system)
    assert (composition.capacity.tolist(), fastest_chain_s(system)) == ([slots], pytest.approx(1.25, rel=1e-12))
    assert response_floor_s(system) == pytest.approx(exact_mean_s(composition), rel=1e-9)
    assert response_floor_s(system) == pytest.approx(multi_server_response_s(load * slots / 1.25, 0.8, slots), rel=1e-6)


@pytest.mark.parametrize(
    "memory_gb",
    [
        [2.0, 2.0],  # too little memory in total
        [5.2],  # room for the blocks, but not for a job's cache
        [1.0] * 20,  # enough in total, but no server has room for a block and its cache
    ],
)
def test_servers_that_cannot_host_the_model_and_one_job_are_infeasible(memory_gb):
    system = System(served_model(5), Servers(memory_gb, [0.7] * len(memory_gb), [0.11] * len(memory_gb)), 0.01)
    message = "the servers together cannot host the model and one job's cache; add servers"
    assert fastest_chain_s(system) == np.inf
    with pytest.raises(InfeasibleError, match=f"^{re.escape(message)}$"):
        response_floor_s(system)


def test_rate_that_no_scheme_can_serve_is_unstable():
    """Serve 4 jobs at once, 1.25 s each: at most 3.2/s."""
    message = (
        "arrival_rate_per_s = 3.21: no scheme serves more than 3.2/s on these servers; lower the rate or add servers"
    )
    with pytest.raises(UnstableError, match=f"^{re.escape(message)}$"):
        response_floor_s(whole_model_system(7, 3.21))
    assert response_floor_s(whole_model_system(7, 3.19)) > 10 * 1.25


NOT_POISSON_EXPONENTIAL = [
    ("workload=gamma",),
    ("workload=hyperexponential",),
    ("workload=mmpp",),
    ("workload=synthetic_code",),
    ("workload=poisson_exponential", "workload.size_cv=0"),
]


@pytest.mark.parametrize("overrides", NOT_POISSON_EXPONENTIAL)
def test_floor_is_for_poisson_arrivals_and_exponential_sizes_only(overrides):
    case = case_of(*SMALL, *overrides, "evaluator=floor")
    message = "evaluator = floor: holds for Poisson arrivals and exponential sizes only; use evaluator=simulation"
    with pytest.raises(NotApplicableError, match=f"^{re.escape(message)}$"):
        evaluate(case, range(1), range(1))


def test_floor_is_the_same_for_all_schemes_and_evaluated_once_a_draw():
    schemes = ("algorithm=proposed", "algorithm=petals", "dispatch=jsq")
    outcomes = [evaluate(case_of(*SMALL, scheme, "evaluator=floor"), range(2), range(3)) for scheme in schemes]
    proposed, petals, jsq = ([(*row[:3], row.value) for row in outcome.rows] for outcome in outcomes)
    assert proposed == petals == jsq
    assert [row[:3] for row in proposed] == [(0, 0, "response_floor_s"), (1, 0, "response_floor_s")]
