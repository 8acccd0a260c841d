"""GCA compared with Alg. 2 on the paper's graph, where servers are nodes, and with the paper's worked example."""

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from system import InfeasibleError, Placement, Servers, System
from tests.support.oracles.gca import gca as printed_gca
from tests.support.oracles.gca import is_a_run
from tests.support.oracles.instances import random_placement, random_system, served_model


@pytest.mark.parametrize("epsilon_s", [0.01, 0.1])
def test_the_papers_worked_example(epsilon_s):
    block_s = epsilon_s * np.arange(1, 6)
    servers = Servers([2.0, 3.0, 2.0, 2.0, 2.0], [1.0, 2.0, 1.0, 1.0, 1.0], block_s)
    system = System(served_model(3), servers, 0.1)
    placement = GbpCr()(system, 1)
    assert placement.reserved_chain_s(system) == pytest.approx(
        [3 + 5 * epsilon_s, 3 + 12 * epsilon_s]
    )  # j1 j2, j3 j4 j5
    chains = gca(system, placement).chains
    assert [chain.servers for chain in chains] == [(0, 1), (0, 3, 4), (2, 3, 4)]
    assert [chain.capacity for chain in chains] == [5, 5, 5]
    expected_s = [3 + 5 * epsilon_s, 3 + 10 * epsilon_s, 3 + 12 * epsilon_s]
    assert [chain.mean_service_s for chain in chains] == pytest.approx(expected_s)


def assert_same_chains(system: System, placement: Placement) -> int:
    """Check that both algorithms find the same chains; return their number.

    With continuous costs, every shortest path is unique.
    """
    printed = printed_gca(system, placement)
    if not printed:
        with pytest.raises(InfeasibleError, match=r"^no chain"):
            gca(system, placement)
        return 0
    collapsed = gca(system, placement).chains
    assert [chain[:3] for chain in collapsed] == [chain[:3] for chain in printed]
    times = [chain.mean_service_s for chain in printed]
    assert [chain.mean_service_s for chain in collapsed] == pytest.approx(times, rel=1e-12)
    return len(printed)


def test_chains_equal_those_of_algorithm_2_on_overlapping_placements():
    rng = np.random.default_rng(31)
    counts: list[int] = []
    while np.count_nonzero(counts) < 200:
        system = random_system(rng, server_count=int(rng.integers(5, 40)))
        counts.append(assert_same_chains(system, random_placement(rng, system)))
    assert max(counts) > 20


def test_chains_equal_those_of_algorithm_2_on_placements_by_gbp_cr():
    rng = np.random.default_rng(32)
    counts = []
    for _ in range(60):
        system = random_system(rng, server_count=15)
        counts.append(assert_same_chains(system, GbpCr()(system, int(rng.integers(1, 6)))))
    assert np.count_nonzero(counts) >= 30


def test_the_fastest_chain_is_at_least_as_fast_as_any_reserved_chain():
    rng = np.random.default_rng(34)
    for _ in range(50):
        system = random_system(rng, server_count=20)
        placement = GbpCr()(system, int(rng.integers(1, 4)))
        if (placement.reserved_chain >= 0).any():
            fastest_s = gca(system, placement).mean_service_s[0]
            assert fastest_s <= placement.reserved_chain_s(system).min() * (1 + 1e-12)


def test_with_ties_the_chains_are_a_possible_run_of_algorithm_2():
    """Check each step of the run.

    Alg. 2 leaves open which of equally short paths comes first, and the choice changes the chains after it.
    """
    rng = np.random.default_rng(35)
    for _ in range(200):
        model = served_model(int(rng.integers(2, 8)), cache_memory_gb=0.25)
        count = int(rng.integers(5, 20))
        memory_gb, times_s = rng.integers(1, 9, count), rng.integers(1, 4, (2, count))
        system = System(model, Servers(memory_gb, times_s[0], times_s[1] / 8), 0.1)  # sums of such times are exact
        placement = random_placement(rng, system)
        if printed_gca(system, placement):
            assert is_a_run(system, placement, gca(system, placement).chains)


def test_a_server_with_the_whole_model_is_a_chain_by_itself():
    servers = Servers([3.0, 2.35], [1.0, 2.0], [0.1, 0.1])
    chains = gca(System(served_model(2), servers, 0.1), Placement([0, 0], [2, 2])).chains
    assert [(chain.servers, chain.capacity) for chain in chains] == [((0,), 5), ((1,), 1)]
