"""The options of the proposed scheme that follow the authors' simulator, compared with a plain version of it."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca, gca_published_code
from algorithms.placement.gbp_cr import GbpCr
from algorithms.tuning import BestCapacity
from evaluators.queueing.published_estimate import published_estimate_s
from system import Composition, InfeasibleError, InputError, Placement, Servers, System
from tests.support.oracles import published_simulator as published
from tests.support.oracles.instances import random_placement, random_system, served_model

TRUNCATED = GbpCr(last_server="truncated")


def small_servers(rng: np.random.Generator) -> System:
    """Return servers none of which can host the whole model.

    The published code does not limit the blocks of a server to L.
    """
    system = random_system(rng, server_count=int(rng.integers(1, 25)))
    memory_gb = np.minimum(system.servers.memory_gb, system.model.block_count * system.model.block_memory_gb)
    return replace(system, servers=replace(system.servers, memory_gb=memory_gb))


def test_truncated_placements_equal_those_of_the_published_code():
    rng, incomplete, shorter = np.random.default_rng(61), 0, 0
    for _ in range(200):
        system, c = small_servers(rng), int(rng.integers(1, 8))
        placement, expected = TRUNCATED(system, c), published.place_blocks(system, c)
        assert placement.block_count.tolist() == expected.count
        assert placement.first_block.tolist() == expected.first
        assert placement.reserved_chain.max() + 1 == expected.chains
        incomplete += ((placement.block_count > 0) & (placement.reserved_chain < 0)).any()
        shorter += placement.block_count.sum() < GbpCr()(system, c).block_count.sum()
    assert min(incomplete, shorter) > 50


def test_truncated_chains_host_every_block_once_and_leave_servers_unused_at_the_end():
    rng = np.random.default_rng(62)
    for _ in range(100):
        system, c = small_servers(rng), int(rng.integers(1, 8))
        placement = TRUNCATED(system, c)
        for k in range(placement.reserved_chain.max() + 1):
            members = placement.reserved_chain == k
            assert placement.block_count[members].sum() == system.model.block_count
        outside = (placement.reserved_chain < 0) & (placement.block_count > 0)
        assert outside.sum() <= 1  # only the first server of a chain that cannot be completed


def test_truncated_chains_count_their_own_blocks_toward_the_required_rate():
    rng, stopped = np.random.default_rng(63), 0
    for _ in range(100):
        system, c = random_system(rng, server_count=20), int(rng.integers(1, 5))
        rates = np.cumsum(1 / TRUNCATED(system, c).reserved_chain_s(system))
        printed = GbpCr("required_rate", "truncated")(system, c)
        enough = rates >= system.required_rate_per_s / c
        needed = int(np.argmax(enough)) + 1 if enough.any() else rates.size
        assert printed.reserved_chain.max() + 1 == needed
        stopped += needed < rates.size
    assert stopped > 20


def assert_same_chains(system: System, blocks: published.Blocks, composition: Composition) -> None:
    """Check that the chains, fastest first, are those of the published code."""
    chains = sorted(published.allocate(system, blocks, first_hop_free=False), key=lambda chain: chain.time_s)
    assert [list(chain.servers) for chain in composition.chains] == [chain.servers for chain in chains]
    assert composition.capacity.tolist() == [chain.capacity for chain in chains]
    assert composition.mean_service_s == pytest.approx([chain.time_s for chain in chains], rel=1e-12)


def test_chains_equal_those_of_the_published_code_and_charge_for_all_blocks():
    rng, extra, none = np.random.default_rng(64), 0, 0
    for _ in range(150):
        system = small_servers(rng)
        for placement in (TRUNCATED(system, int(rng.integers(1, 5))), random_placement(rng, system)):
            blocks = published.Blocks(placement.first_block.tolist(), placement.block_count.tolist(), 0)
            try:
                composition = gca_published_code(system, placement)
            except InfeasibleError:
                assert published.allocate(system, blocks) == []
                none += 1
                continue
            assert_same_chains(system, blocks, composition)
            assert (composition.hop_charged == placement.block_count[composition.hop_server]).all()
            assert composition.charges_extra == (composition.hop_charged != composition.hop_blocks).any()
            extra += composition.charges_extra
    assert min(extra, none) > 40


def test_both_charges_give_the_same_chains_if_no_chain_overlaps():
    """Check placements in which every server hosts the blocks of one stage of three."""
    rng = np.random.default_rng(65)
    for _ in range(20):
        system = random_system(rng, server_count=12, largest_model=3)
        if system.model.block_count < 3:
            continue
        roomy = replace(system, servers=replace(system.servers, memory_gb=rng.uniform(2, 6, 12)))
        placement = Placement(np.arange(12) % 3, np.ones(12, np.int64))
        published_code, printed = gca_published_code(roomy, placement), gca(roomy, placement)
        assert published_code.chains == printed.chains
        assert not published_code.charges_extra


def test_a_hop_is_not_charged_for_less_than_it_runs():
    system = random_system(np.random.default_rng(66), server_count=1, largest_model=2)
    servers = replace(system.servers, memory_gb=np.array([9.0]))
    hops = np.array([0]), np.array([2]), np.array([0, 1])
    with pytest.raises(InputError, match=r"hop_charged = \[1\]: must be at least the blocks that are run"):
        Composition.of_hops(replace(system, servers=servers), Placement([0], [2]), *hops, [1], np.array([1]))


def chains_in_order(rng: np.random.Generator) -> tuple[System, list[published.PublishedChain]]:
    """Return chains of one server each, fastest first, with a random arrival rate.

    They may carry it at the target load or not.
    """
    count = int(rng.integers(1, 6))
    time_s, capacity = np.sort(rng.uniform(1, rng.choice([1.3, 6]), count)), rng.integers(1, 9, count)
    servers = Servers(1 + 0.1001 * capacity, time_s, np.zeros(count))
    rate = float((capacity / time_s).sum() * rng.uniform(0.05, 0.9))
    chains = [published.PublishedChain([j], int(capacity[j]), float(time_s[j])) for j in range(count)]
    return System(served_model(1), servers, rate), chains


def test_the_estimate_equals_that_of_the_published_code():
    rng, refused, single, slow = np.random.default_rng(67), 0, 0, 0
    for _ in range(300):
        system, chains = chains_in_order(rng)
        count = len(chains)
        composition = gca(system, Placement(np.zeros(count, np.int64), np.ones(count, np.int64)))
        assert composition.capacity.tolist() == [chain.capacity for chain in chains]
        expected_s = published.estimated_mean_s(system, chains)
        if np.isinf(expected_s):
            with pytest.raises(InfeasibleError, match=r"^total service rate = .*/s: the target load requires"):
                published_estimate_s(composition)
            refused += 1
            continue
        assert published_estimate_s(composition) == pytest.approx(expected_s, rel=1e-12)
        single += count == 1
        slow += chains[-1].time_s > 1.3 * chains[0].time_s
    assert min(refused, single, slow, 300 - refused - slow) > 20


def test_the_estimate_of_one_chain_follows_from_its_formula():
    """Check a chain of 4 slots at a load of 0.5.

    The estimate is its time and 0.3 of 0.5 / (0.5 * 4) of it.
    """
    system = System(served_model(1), Servers([1.41], [2.0], [0.0]), 1.0)
    assert published_estimate_s(gca(system, Placement([0], [1]))) == pytest.approx(2.0 * (1 + 0.3 / 4))


def published_compose(system: System) -> Composition:
    return BestCapacity(published_estimate_s, 50)(system, lambda c: gca_published_code(system, TRUNCATED(system, c)))


def test_the_tuning_chooses_the_c_of_the_published_code():
    rng, refused, chosen = np.random.default_rng(68), 0, set()
    for _ in range(60):
        system = small_servers(rng)
        expected = published.choose_capacity(system, first_hop_free=False)
        if expected is None:
            with pytest.raises(InfeasibleError):
                published_compose(system)
            refused += 1
            continue
        assert published_compose(system).placement.reserved_capacity == expected
        chosen.add(expected)
    assert refused > 5
    assert len(chosen) > 5
