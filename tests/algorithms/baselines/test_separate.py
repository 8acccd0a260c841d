"""Separate pipelines: which servers form a pipeline, and which types stay idle."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jsq import JSQ
from algorithms.separate import Separate, equal_shares, separate
from system import InfeasibleError, Servers, System
from tests.support.oracles.instances import random_system, served_model


def system_of(memory_gb: list[float], speeds: list[float], most_blocks: list[int] | None = None) -> System:
    """Return servers for a model of six blocks of 1 GB."""
    count = len(memory_gb)
    times_s = np.full(count, 0.1), 1 / np.array(speeds)
    most = None if most_blocks is None else np.array(most_blocks)
    servers = Servers(np.array(memory_gb), *times_s, rtt_s=np.full((count, count), 0.1), most_blocks=most)
    return System(served_model(6), servers, 0.1)


def test_every_type_forms_as_many_pipelines_as_fit():
    """Check three fast servers, four slow ones and one that stays idle."""
    placement = separate(system_of([3.3, 3.3, 3.3, 3.3, 3.3, 3.3, 3.3, 5.5], [2, 1, 2, 1, 2, 1, 1, 1])).placement
    assert placement.first_block.tolist() == [0, 0, 2, 3, 4, 0, 3, 0]
    assert placement.block_count.tolist() == [2, 3, 2, 3, 2, 3, 3, 0]


def test_the_tightest_server_of_a_pipeline_limits_its_jobs():
    """Check that one job's cache fits beside each of two blocks."""
    composition = separate(replace(system_of([2.25] * 5, [1] * 5), arrival_rate_per_s=0.01))
    assert composition.placement.block_count.tolist() == [1, 1, 1, 1, 2]
    assert [chain.capacity for chain in composition.chains] == [1]


def test_caps_make_types_of_their_own():
    placement = separate(system_of([6.6, 6.6, 6.6], [1, 1, 1], [3, 6, 3])).placement
    assert placement.first_block.tolist() == [0, 0, 3]
    assert placement.block_count.tolist() == [3, 6, 3]


@pytest.mark.parametrize(("blocks", "servers"), [(80, 12), (60, 8), (7, 7), (5, 1)])
def test_shares_are_equal_up_to_one_block(blocks, servers):
    shares = equal_shares(blocks, servers)
    assert shares.sum() == blocks
    assert shares.max() - shares.min() <= 1
    assert (np.diff(shares) >= 0).all()


def test_no_chain_mixes_types():
    rng = np.random.default_rng(1)
    for _ in range(20):
        drawn = random_system(rng, server_count=3)
        twice = np.repeat(np.arange(3), 4)  # four servers of each of three types
        servers = drawn.servers
        system = replace(
            drawn,
            servers=Servers(
                np.maximum(servers.memory_gb, 2)[twice],
                servers.communication_s[twice],
                servers.block_s[twice],
                rtt_s=np.full((12, 12), 0.1),
            ),
        )
        try:
            composition = Separate(JSQ).compose(system, rng)
        except InfeasibleError:
            continue
        assert composition.rule is JSQ
        for chain in composition.chains:
            assert len({j // 4 for j in chain.servers}) == 1


def test_a_cluster_without_enough_equal_servers_is_refused():
    sentence = r"^no type of server can host the 6 blocks of example by itself; add servers of a type or mix types, .*$"
    with pytest.raises(InfeasibleError, match=sentence):
        separate(system_of([3.3, 3.3, 5.5], [1, 2, 1]))
