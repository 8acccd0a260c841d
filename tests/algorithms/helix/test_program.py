"""Helix's program: its optimum equals the best of all placements on small clusters."""

import numpy as np
import pytest

from algorithms.helix import HelixMilp
from algorithms.helix.program import Cluster
from algorithms.helix.solver import Effort, solve
from system import InfeasibleError, InputError, Placement, Servers, System
from system.token_flow import link_tokens_per_s, max_flow, tokens_per_s
from tests.support.oracles.helix.placements import flow_through, largest_flow
from tests.support.oracles.instances import random_system, served_model

TO_THE_END = Effort(60.0, None, 1e-6)


def random_cluster(rng: np.random.Generator, servers: int, blocks: int, most: int, partial: bool) -> Cluster:
    """Return servers of unequal speed with some slow and some missing links."""
    rates = np.zeros((servers, most + 1))
    for j in range(servers):
        can = int(rng.integers(1, most + 1))
        rates[j, 1 : can + 1] = rng.uniform(10, 100) / np.arange(1, can + 1) ** rng.uniform(0.5, 1.5)
    links = np.where(rng.random((servers + 1,) * 2) < 0.3, rng.uniform(1, 20, (servers + 1,) * 2), np.inf)
    kept = rng.random((servers + 1,) * 2) < 0.9
    np.fill_diagonal(kept, False)
    return Cluster(rates, links, kept, blocks, partial)


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(("servers", "blocks", "most"), [(3, 4, 3), (3, 6, 3), (4, 3, 2), (5, 3, 2)])
def test_the_optimum_is_that_of_all_placements(servers, blocks, most, partial):
    rng, above = np.random.default_rng(911), 0
    for _ in range(3):
        cluster = random_cluster(rng, servers, blocks, most, partial)
        best, solved = largest_flow(cluster), solve(cluster, TO_THE_END, None)
        assert solved.bound_tokens_per_s == pytest.approx(best, rel=1e-4, abs=1e-4)
        assert solved.placement is not None
        ranges = zip(solved.placement.first_block.tolist(), solved.placement.block_count.tolist(), strict=True)
        assert flow_through(tuple(ranges), cluster) == pytest.approx(best, rel=1e-4, abs=1e-4)
        above += best > 0
    assert above > 0


def small_systems(seed: int, count: int) -> list[System]:
    """Return random systems of 3 servers with a placement through which tokens flow."""
    rng, systems = np.random.default_rng(seed), []
    while len(systems) < count:
        system = random_system(rng, server_count=3, largest_model=4)
        cluster = cluster_of(system)
        if cluster.tokens_per_s.any() and largest_flow(cluster) > 0:
            systems.append(system)
    return systems


def cluster_of(system: System) -> Cluster:
    """Return a system for the plain search, where links carry any flow."""
    count = len(system.servers)
    kept = ~np.eye(count + 1, dtype=np.bool_)
    rates, links = tokens_per_s(system), link_tokens_per_s(system)
    return Cluster(np.minimum(rates, links[:-1, -1:]), links, kept, system.model.block_count, True)


@pytest.mark.parametrize("starts", [("gbp_cr", "petals"), ()])
def test_the_placement_of_a_system_has_the_largest_flow(starts):
    for system in small_systems(912, 4):
        placement = HelixMilp(starts=starts, relative_gap=1e-6)(system)
        placement.check(system)
        assert placement.flow_tokens_per_s == pytest.approx(max_flow(system, placement).tokens_per_s, rel=1e-9)
        assert placement.flow_tokens_per_s == pytest.approx(largest_flow(cluster_of(system)), rel=1e-4)
        assert placement.gap == pytest.approx(0, abs=2e-4)


def test_without_any_time_the_start_is_the_result_with_its_gap():
    """Give the solver one nanosecond: the result is the best of GBP-CR and PETALS."""
    system = next(system for system in small_systems(913, 8) if HelixMilp()(system).gap < 1e-3)
    start = HelixMilp(time_limit_s=1e-9)(system)
    assert start.flow_tokens_per_s <= HelixMilp()(system).flow_tokens_per_s * (1 + 1e-9)
    assert start.flow_tokens_per_s == pytest.approx(max_flow(system, start).tokens_per_s, rel=1e-9)
    assert start.bound_tokens_per_s >= start.flow_tokens_per_s


def test_few_links_never_give_more_flow_than_all_and_the_start_stays_possible():
    system = random_system(np.random.default_rng(914), server_count=6, largest_model=3)
    few, every = (HelixMilp(most_links=most, time_limit_s=20.0)(system) for most in (1, None))
    assert few.flow_tokens_per_s <= every.bound_tokens_per_s * (1 + 1e-6)
    assert few.flow_tokens_per_s >= HelixMilp(time_limit_s=1e-9)(system).flow_tokens_per_s * (1 - 1e-6)


def test_the_same_limit_of_nodes_gives_the_same_placement():
    system = random_system(np.random.default_rng(915), server_count=5, largest_model=4)
    first, again = (HelixMilp(most_nodes=20)(system) for _ in range(2))
    assert (first.first_block == again.first_block).all()
    assert (first.block_count == again.block_count).all()
    assert isinstance(first, Placement)


def test_too_little_memory_is_infeasible():
    servers = Servers([1.5, 1.5], [0.1, 0.1], [0.1, 0.1])
    system = System(served_model(3), servers, 0.1, mean_job=(1.0, 200.0, 20.0))
    message = "no placement: all servers together host 2 of 3 blocks beside caches; add servers"
    with pytest.raises(InfeasibleError, match=f"^{message}$"):
        HelixMilp()(system)


@pytest.mark.parametrize(
    "change", [{"time_limit_s": 0}, {"most_nodes": 0}, {"relative_gap": -1}, {"starts": ("swarm",)}, {"partial": 2}]
)
def test_a_bad_setting_is_refused_in_one_sentence(change):
    with pytest.raises(InputError, match=rf"^{next(iter(change))} = "):
        HelixMilp(**change)
