"""The contracts of every placement, allocation, tuning, policy, service model and scheme under `conf/`.

A new algorithm is a Python file and a YAML file; it is tested here as soon as the YAML file exists.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numba import types

import run
from algorithms.allocation.gca import gca
from algorithms.allocation.limited import Limited
from algorithms.placement.gbp_cr import GbpCr
from algorithms.routing.links import RoutedComposition
from evaluators.points.case import Case, Draw, Scheme
from evaluators.simulation import simulate_layout
from system import Composition, InfeasibleError, NotApplicableError, Placement, Servers, System, UnstableError
from system.dispatch import DISPATCH, Dispatch
from system.layout import Layout
from system.random_streams import is_deterministic
from system.service.model import ServiceModel
from tests.support.oracles.instances import (
    chains_of,
    one_server_chains,
    poisson_jobs,
    random_placement,
    random_queue,
    random_system,
    served_model,
    uneven_jobs,
)
from tests.support.oracles.routed_simulation import paths
from tests.support.oracles.sweep import Sweep
from tests.support.project import case_of
from workloads.jobs import Jobs

FEW_SERVERS = 8  # the optimal placements refuse large clusters
CONF = Path(run.__file__).resolve().parent / "conf"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


# A published layout names the servers of one cluster (tests/hardware_profiles/test_helix.py).
SCHEMES = [name for name in names("algorithm") if not name.startswith("published_")]


@cache
def made(group: str, name: str, *further: str) -> Any:
    """Return the object that `group=name` and further overrides configure."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"{group}={name}", "network=european", *further])
    return instantiate(config[group], _convert_="all")


# Placements that need servers for the whole model: none is left with random caps.
ALONE = {"whole_model", "jffc_only"}

# Schemes that are too slow for many systems as they are configured.
FASTER = dict.fromkeys(("searched", "searched_exact"), ("algorithm.evaluations=100",))
FASTER["helix"] = ("algorithm.placement.most_nodes=1", "algorithm.placement.starts=[petals]")


def scheme_of(name: str) -> Any:
    return made("algorithm", name, *FASTER.get(name, ()))


def systems(seed: int, count: int, most: int = 19) -> Iterator[tuple[np.random.Generator, System]]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng, random_system(rng, server_count=int(rng.integers(1, most + 1)))


def roomy_systems(seed: int, count: int) -> Iterator[tuple[np.random.Generator, System]]:
    """Yield systems of 8 to 40 servers with ample memory."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        server_count = int(rng.integers(FEW_SERVERS, 41))
        times_s = rng.uniform(0.1, 1, (2, server_count))
        rtt_s = rng.uniform(0.01, 0.1, (server_count, server_count))
        memory_gb, tflops = rng.uniform(8, 12, server_count), np.arange(1.0, server_count + 1)
        networked = Servers(memory_gb, *times_s, orchestrator_rtt_s=rtt_s[0], rtt_s=rtt_s)
        roomy = replace(networked, gpu_memory_gb=memory_gb, gpu_tflops=tflops)
        yield rng, System(served_model(6), roomy, 0.1)


def assert_often(check: Callable[[np.random.Generator, System], bool], seed: int, fewest: int) -> None:
    """Check random systems, and roomy ones if few are accepted.

    `check` returns whether a part accepts a system. At least `fewest` must be accepted.
    """
    accepted = sum(check(rng, system) for rng, system in systems(seed, 60, FEW_SERVERS))
    if accepted < fewest:
        accepted += sum(check(rng, system) for rng, system in roomy_systems(seed, 30))
    assert accepted >= fewest, (
        f"accepts {accepted} of 60 small random systems and 30 roomy ones (8 to 40 servers, each with memory for the "
        f"whole model), which are too few to test it ({fewest}): raise InfeasibleError only where nothing fits"
    )


def test_the_groups_have_their_main_algorithms():
    assert "gbp_cr" in names("placement")
    assert "gca" in names("allocation")
    assert "jffc" in names("dispatch")
    assert "fixed" in names("tuning")
    assert {"independent", "steps"} <= set(names("service"))
    assert {"proposed", "petals", "bprr"} <= set(SCHEMES)


@pytest.mark.parametrize("name", names("placement"))
def test_placements_fit_or_raise(name):
    """Check that each range is in the model and fits the memory.

    The same seed must give the same placement.
    """
    placement_of = made("placement", name)

    def check(rng: np.random.Generator, system: System) -> bool:
        c, seed = int(rng.integers(1, 6)), int(rng.integers(2**31))
        try:
            placement = placement_of(system, c, np.random.default_rng(seed))
        except InfeasibleError:
            return False
        again = placement_of(system, c, np.random.default_rng(seed))
        placement.check(system)
        assert (placement.end_block <= system.model.block_count).all()
        needed_gb = placement.block_count * system.model.block_memory_gb
        assert (needed_gb <= system.servers.memory_gb * (1 + 1e-12)).all()
        assert (placement.first_block == again.first_block).all()
        assert (placement.block_count == again.block_count).all()
        return True

    assert_often(check, 101, 21)


@pytest.mark.parametrize("name", names("placement"))
def test_placements_give_chains_if_memory_is_ample(name):
    rng = np.random.default_rng(102)
    for _ in range(10):
        times_s, rtt_s = rng.uniform(0.1, 1, (2, FEW_SERVERS)), rng.uniform(0.01, 0.1, (FEW_SERVERS, FEW_SERVERS))
        system = System(served_model(6), Servers(rng.uniform(8, 12, FEW_SERVERS), *times_s, rtt_s=rtt_s), 0.1)
        composition = gca(system, made("placement", name)(system, 2, rng))
        assert composition.total_capacity >= 2


def blocks_run(composition: Composition, k: int) -> list[int]:
    """Return the blocks that a job visits on chain k, in order."""
    chain, placement = composition.chain(k), composition.placement
    ends = placement.end_block[list(chain.servers)]
    return [block for end, count in zip(ends, chain.blocks, strict=True) for block in range(end - count, end)]


def assert_valid_composition(system: System, placement: Placement, composition: Composition) -> None:
    """Check that chains fit the memory and run every block once and in order.

    Each block must be run where it is hosted, and the fastest chain must come first.
    """
    model = system.model
    used_gb = placement.block_count * model.block_memory_gb
    for k, chain in enumerate(composition.chains):
        assert blocks_run(composition, k) == list(range(model.block_count))
        assert chain.capacity >= 1
        for j, count in zip(chain.servers, chain.blocks, strict=True):
            assert 1 <= count <= placement.block_count[j]
            used_gb[j] += chain.capacity * count * model.cache_memory_gb
    assert (used_gb <= system.servers.memory_gb * (1 + 1e-9)).all()
    assert (np.diff(composition.mean_service_s) >= 0).all()


@pytest.mark.parametrize("name", names("placement") + SCHEMES)
def test_placements_respect_the_most_blocks_of_servers(name):
    part, compared = made("placement", name) if name in names("placement") else scheme_of(name), 0
    for rng, system in systems(117, 12, FEW_SERVERS):
        most = rng.integers(1, system.model.block_count + 1, len(system.servers))
        capped = replace(system, servers=replace(system.servers, most_blocks=most))
        with suppress(InfeasibleError, UnstableError):
            placement = part(capped, 2, rng) if callable(part) else part.compose(capped, rng).placement
            placement.check(capped)
            compared += 1
    assert compared or name in ALONE


@pytest.mark.parametrize("name", names("allocation"))
def test_allocations_fit_memory_and_their_chains_run_every_block(name):
    allocate = made("allocation", name)
    allocated = 0
    for rng, system in systems(103, 60):
        for placement in (random_placement(rng, system), GbpCr()(system, 2)):
            try:
                composition = allocate(system, placement)
            except InfeasibleError:
                continue
            assert_valid_composition(system, placement, composition)
            assert [*composition.chains] == [*allocate(system, placement).chains]
            allocated += 1
    assert allocated > 20, f"allocates {allocated} of 120 placements: raise InfeasibleError only where no chain fits"


@pytest.mark.parametrize("name", names("allocation"))
def test_a_limit_of_the_slots_per_chain_leaves_all_else_as_it_is(name):
    allocate, rng, limited, reached = made("allocation", name), np.random.default_rng(116), 0, 0
    for _, system in systems(116, 60):
        most = int(rng.integers(1, 5))
        try:
            free = allocate(system, GbpCr()(system, 2))
        except InfeasibleError:
            continue
        composition = Limited(allocate, most)(system, free.placement)
        assert_valid_composition(system, free.placement, composition)
        assert composition.capacity.tolist() == [min(capacity, most) for capacity in free.capacity.tolist()]
        assert [chain._replace(capacity=0) for chain in composition.chains] == [
            chain._replace(capacity=0) for chain in free.chains
        ]
        assert Limited(allocate)(system, free.placement).chains == free.chains
        limited += bool((free.capacity > most).any())
        reached += 1
    assert reached > 20
    assert limited > 5


# Tunings that hold only where requests, of whole tokens, slow each other.
NEEDED = dict.fromkeys(("interference", "simulated_steps"), ("service=steps", "workload=drawn_lengths"))


@pytest.mark.parametrize("name", names("tuning"))
def test_tunings_choose_a_stable_composition_with_an_allowed_c(name):
    """Check servers with memory for up to 9 jobs beside a block.

    The rate is low enough for every c that can be hosted.
    """
    rng = np.random.default_rng(104)
    for _ in range(2):
        servers = Servers(rng.uniform(3, 4, 10), rng.uniform(0.5, 1, 10), rng.uniform(0.05, 0.1, 10))
        system = System(served_model(3, cache_memory_gb=1 / 3), servers, 0.3, (1.0, 100.0, 10.0))
        tunings = [made("tuning", name, *NEEDED.get(name, ())) for _ in range(2)]
        chosen = [tuning(system, lambda c, s=system: gca(s, GbpCr()(s, c))) for tuning in tunings]
        assert 1 <= chosen[0].placement.reserved_capacity <= system.largest_reservation
        chosen[0].check_stable()
        assert chosen[0].chains == chosen[1].chains


def assert_valid_run(dispatch: Dispatch, load: float, rng: np.random.Generator, jobs_from: Any) -> None:
    """Check the jobs' times by a pass over the events, without the simulator.

    Half of the chains share servers.
    """
    if rng.random() < 0.5:
        arrival_rate, rates, capacity = random_queue(rng, most_states=1e5, decades=1, load=load)
        chains = one_server_chains(np.outer(1 / rates, (1, 0.001, 0.002)), capacity, arrival_rate)
    else:
        chains = chains_of(rng)
        chains = chains.at_rate(load * chains.total_rate_per_s)
    jobs, coefficients_s = jobs_from(rng, 1500, chains.system.arrival_rate_per_s), chains.job_coefficients_s
    times = simulate_layout(chains.under(dispatch), jobs).times
    sweep = Sweep(times, chains.capacity)
    service_s = jobs.size * (coefficients_s[times.chain] * np.insert(jobs.lengths, 0, 1, axis=1)).sum(axis=1)
    assert times.service_s == pytest.approx(service_s, rel=1e-12)  # every job is served once, on its chain
    assert (times.waiting_s >= 0).all()
    assert (times.first_token_s <= times.response_s).all()
    assert sweep.never_over_capacity() or dispatch.looks == "arrivals"  # of which jobs at the end share a slot
    assert sweep.in_order_on_each_chain()
    assert sweep.started_by_an_event()
    assert sweep.work_conserving() or not dispatch.work_conserving


@pytest.mark.parametrize("load", [0.5, 0.95, 1.2])
@pytest.mark.parametrize("name", names("dispatch"))
def test_dispatch_respects_the_capacities_and_its_own_claims(name, load):
    rng = np.random.default_rng(105)
    for jobs_from in (poisson_jobs, uneven_jobs):
        for _ in range(5):
            assert_valid_run(made("dispatch", name), load, rng, jobs_from)


@pytest.mark.parametrize("name", names("dispatch"))
def test_policies_cannot_write_and_their_indices_are_checked(name):
    policy = made("dispatch", name).policy
    assert policy.signatures == [DISPATCH.args]
    assert not any(argument.mutable for argument in DISPATCH.args if isinstance(argument, types.Array))
    assert policy.targetoptions["boundscheck"]


@pytest.mark.parametrize("name", names("dispatch"))
def test_dispatch_gives_the_same_times_twice(name):
    jobs, chains = poisson_jobs(np.random.default_rng(106), 1000, 2.5), chains_of(np.random.default_rng(106))
    runs = (simulate_layout(chains.under(made("dispatch", name)), jobs) for _ in range(2))
    first, second = (run.times.response_s.tobytes() for run in runs)
    assert first == second


@pytest.mark.parametrize("name", names("placement"))
def test_a_placement_that_claims_to_be_deterministic_uses_no_random_numbers(name):
    placement_of = made("placement", name)
    if is_deterministic(placement_of):
        for _, system in systems(112, 20, FEW_SERVERS):
            with suppress(InfeasibleError):
                first, other = (placement_of(system, 2, np.random.default_rng(seed)) for seed in (1, 2))
                assert (first.first_block == other.first_block).all()
                assert (first.block_count == other.block_count).all()


@pytest.mark.parametrize("name", names("dispatch"))
def test_a_policy_that_claims_to_be_deterministic_does_not_use_the_jobs_numbers(name):
    jobs, dispatch = poisson_jobs(np.random.default_rng(113), 1000, 2.5), made("dispatch", name)
    others = replace(jobs, uniform=np.random.default_rng(114).random(1000))
    layout = one_server_chains(np.array([1.0, 2.0, 2.0]), np.array([2, 1, 1]), 2.5).under(dispatch)
    first, second = (simulate_layout(layout, some_jobs).times.response_s for some_jobs in (jobs, others))
    assert first.tobytes() == second.tobytes() or not is_deterministic(dispatch)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_that_claims_to_be_deterministic_uses_no_random_numbers(name):
    scheme = scheme_of(name)
    if is_deterministic(scheme):
        for _, system in systems(115, 5):
            with suppress(InfeasibleError, UnstableError):
                first, other = (scheme.compose(system, np.random.default_rng(seed)).placement for seed in (1, 2))
                assert (first.first_block == other.first_block).all()
                assert (first.block_count == other.block_count).all()


def assert_valid_routed(composition: RoutedComposition) -> None:
    """Check that blocks and slots fit the memory, and that links have costs.

    The links must be the hops of all paths through all blocks.
    """
    system, placement, slots = composition.system, composition.placement, composition.slots
    model, client = system.model, len(system.servers)
    used_gb = placement.block_count * model.block_memory_gb + slots * model.cache_memory_gb
    assert (used_gb <= system.servers.memory_gb * (1 + 1e-9)).all()
    hops = {hop for path in paths(placement, slots.tolist(), model.block_count) for hop in path}
    legal = {(client if source is None else source, target, blocks) for source, target, blocks in hops}
    assert set(zip(*(column.tolist() for column in composition.links), strict=True)) == legal
    assert (composition.cost_s > 0).all()
    assert (np.isfinite(composition.exit_s[composition.links.target]) == _ends(composition)).all()


def _ends(composition: RoutedComposition) -> np.ndarray:
    """Return whether each link leads to the last block."""
    placement = composition.placement
    return placement.end_block[composition.links.target] == composition.system.model.block_count


def assert_serves_every_job(layout: Layout, jobs: Jobs) -> None:
    """Check that every job is served and that its times add up."""
    times = simulate_layout(layout, jobs).times
    assert times.arrival_s.tobytes() == jobs.arrival_s.tobytes()
    assert (times.waiting_s >= 0).all()
    assert (times.service_s > 0).all()
    assert (times.response_s == times.waiting_s + times.service_s).all()
    assert (times.first_token_s <= times.response_s * (1 + 1e-12)).all()
    decoding_s = jobs.size * times.output_token_s * jobs.lengths[:, 1]
    assert times.response_s - times.first_token_s == pytest.approx(decoding_s, rel=1e-9, abs=1e-9)


def is_composed(scheme: Scheme, rng: np.random.Generator, system: System) -> bool:
    """Check a scheme's layout and return whether it has one.

    The same seed must give the same times.
    """
    seed = int(rng.integers(2**31))
    try:
        layout = scheme.compose(system, np.random.default_rng(seed))
    except (InfeasibleError, UnstableError):
        return False
    if isinstance(layout, Composition):
        assert_valid_composition(system, layout.placement, layout)
        assert layout.rule is getattr(scheme, "dispatch", layout.rule)
    else:
        assert_valid_routed(layout)
    jobs = uneven_jobs(rng, 300, 2 * system.arrival_rate_per_s)
    assert_serves_every_job(layout, jobs)
    both = layout, scheme.compose(system, np.random.default_rng(seed))
    first, again = (simulate_layout(composed, jobs).times for composed in both)
    assert again.response_s.tobytes() == first.response_s.tobytes()
    return True


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_fit_and_serve_every_job_or_raise(name):
    scheme = scheme_of(name)
    assert_often(partial(is_composed, scheme), 107, 11)


@dataclass(frozen=True)
class AtLeast:
    """The paper's scheme, which refuses clusters of fewer servers than `fewest`."""

    fewest: int

    def compose(self, system: System, rng: np.random.Generator) -> Layout:
        if len(system.servers) < self.fewest:
            raise InfeasibleError("too few servers")
        scheme: Scheme = made("algorithm", "proposed")
        return scheme.compose(system, rng)


def test_a_scheme_that_needs_many_servers_passes_and_one_that_refuses_all_fails_with_a_text():
    assert sum(is_composed(AtLeast(20), rng, system) for rng, system in systems(107, 60, FEW_SERVERS)) == 0
    assert_often(partial(is_composed, AtLeast(20)), 107, 11)
    with pytest.raises(AssertionError, match="accepts 0 of 60 small random systems and 30 roomy ones"):
        assert_often(partial(is_composed, AtLeast(1000)), 107, 11)


def token_jobs(rng: np.random.Generator, count: int, rate_per_s: float) -> Jobs:
    """Return Poisson arrivals of jobs with random lengths in whole tokens."""
    lengths = np.column_stack([rng.integers(1, 400, count), rng.integers(0, 20, count)]).astype(np.float64)
    return Jobs(np.cumsum(rng.exponential(1 / rate_per_s, count)), np.ones(count), lengths, rng.random(count))


@pytest.mark.parametrize("scheme", ["proposed", "petals", "bprr"])
@pytest.mark.parametrize("name", names("service"))
def test_service_models_take_at_least_the_time_of_a_job_that_is_alone(name, scheme):
    """Check every job, and that the same seed gives the same times."""
    service, compose_system, served = made("service", name), made("algorithm", scheme).compose, 0
    for rng, system in systems(108, 30, FEW_SERVERS):
        try:
            layout = compose_system(system, np.random.default_rng(1))
        except (InfeasibleError, UnstableError):
            continue
        jobs = token_jobs(rng, 100, 2 * system.arrival_rate_per_s)
        if needs_chains(service) and not isinstance(layout, Composition):
            with pytest.raises(NotApplicableError, match="needs chains"):
                simulate_layout(layout, jobs, service)
            return
        first, again = (simulate_layout(layout, jobs, service, np.random.default_rng(2)) for _ in range(2))
        times = first.times
        assert times.response_s.tobytes() == again.times.response_s.tobytes()
        assert (times.waiting_s >= 0).all()
        assert (times.first_token_s <= times.response_s * (1 + 1e-12)).all()
        assert sum(times.parts.values(), np.zeros(100)) == pytest.approx(times.service_s if times.parts else 0)
        assert (times.service_s >= least_service_s(layout, jobs) * (1 - 1e-9)).all()
        served += 1
    assert served > 5


def needs_chains(service: ServiceModel) -> bool:
    """Return whether a service model is about batches of whole chains."""
    return service.loop == "rounds"


def least_service_s(layout: Layout, jobs: Jobs) -> np.ndarray:
    """Return (n,) the time of each job on its fastest path, by plain sums."""
    servers, blocks = layout.system.servers, layout.system.model.block_count
    all_paths = paths(layout.placement, layout.placement.cache_slots(layout.system).tolist(), blocks)
    coefficients_s = [
        sum(servers.communication_s[j] + m * servers.block_s[j] for _, j, m in path) for path in all_paths
    ]
    return (np.array(coefficients_s) @ np.insert(jobs.lengths, 0, 1, axis=1).T).min(axis=0)


ROUTED = ("bprr", "petals")
REAL_RUNS = ("endpoint", "llamacpp", "runtime")  # tested in tests/serving, because they need servers
CHAINS_ONLY = (
    "accuracy",
    "composition",
    "exact",
    "interference",
    "job_servers",
    "markov",
    "service_times",
    "simulation_stream",
    "surrogate",
    "theorem4",
)


@pytest.mark.parametrize("name", ROUTED)
@pytest.mark.parametrize(
    ("evaluator", "service"),
    [
        *((evaluator, "independent") for evaluator in names("evaluator") if evaluator not in REAL_RUNS),
        *product(("simulation", "replay"), [service for service in names("service") if service != "independent"]),
    ],
)
def test_evaluators_that_need_chains_refuse_routed_schemes(name, evaluator, service):
    small = ("workload.job_count=300", "network=european", "demand.per_s=0.01", f"service={service}")
    small += () if service == "independent" else ("workload=drawn_lengths",)  # whole tokens
    case: Case = instantiate(case_of(f"algorithm={name}", f"evaluator={evaluator}", *small))
    draw = Draw(case, 0)
    assert isinstance(draw.layout, RoutedComposition)
    if evaluator in CHAINS_ONLY:
        with pytest.raises(NotApplicableError, match=r"; use evaluator=simulation$"):
            case.evaluator(draw, 0)
    elif needs_chains(made("service", service)):
        with pytest.raises(NotApplicableError, match=r"use service=steps or an algorithm with chains$"):
            case.evaluator(draw, 0)
    else:
        assert case.evaluator(draw, 0)
