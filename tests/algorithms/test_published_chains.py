"""The options of the proposed scheme that follow the authors' simulator, compared with a plain version of it."""

from dataclasses import replace

import numpy as np

from algorithms.placement.gbp_cr import GbpCr
from system import System
from tests.support import published_simulator as published
from tests.support.oracles.instances import random_system

TRUNCATED = GbpCr(last_server="truncated")


def small_servers(rng: np.random.Generator) -> System:
    """Return servers none of which can host the whole model, whose blocks the published code does not limit to L."""
    system = random_system(rng, server_count=int(rng.integers(1, 25)))
    memory_gb = np.minimum(system.servers.memory_gb, system.model.block_count * system.model.block_memory_gb)
    return replace(system, servers=replace(system.servers, memory_gb=memory_gb))


def test_truncated_placements_equal_those_of_the_published_code():
    rng, incomplete, shorter = np.random.default_rng(61), 0, 0
    for _ in range(200):
        system, c = small_servers(rng), int(rng.integers(1, 8))
        placement, expected = TRUNCATED(system, c), published.place(system, c)
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
