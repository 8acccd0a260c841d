"""SWARM: how many stages, which server joins which stage, and the priorities of servers."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.swarm import Swarm, fewest_stages, prompt_s, stage_throughput, swarm_placement
from system import Composition, InfeasibleError, InputError, Placement, Servers, System
from system.routing import FlowRouting
from tests.support.oracles.instances import random_system, served_model


def system_of(memory_gb: list[float], block_s: list[float], blocks: int = 4) -> System:
    """Return servers for blocks of 1 GB; jobs have no lengths."""
    count = len(memory_gb)
    servers = Servers(np.array(memory_gb), np.full(count, 0.1), np.array(block_s), rtt_s=np.full((count, count), 0.1))
    return System(served_model(blocks), servers, 0.1)


def test_the_fastest_servers_join_the_weakest_stage_first():
    """Check that of equal servers the later one comes first, as in Helix's code."""
    placement = swarm_placement(system_of([2.2] * 4, [1, 1, 2, 4]), None)
    assert placement.first_block.tolist() == [2, 0, 0, 2]
    assert placement.block_count.tolist() == [2, 2, 2, 2]


def test_stages_differ_by_at_most_the_server_that_came_last():
    rng = np.random.default_rng(1)
    for _ in range(20):
        system = random_system(rng, server_count=12, largest_model=6)
        try:
            placement = swarm_placement(system, None)
        except InfeasibleError:
            continue
        length = placement.block_count.max()
        throughput = stage_throughput(system, length) * (placement.block_count > 0)
        stages = [
            throughput[(placement.first_block == first) & (placement.block_count > 0)]
            for first in range(0, system.model.block_count, length)
        ]
        totals = [stage.sum() for stage in stages]
        for stage, total in zip(stages, totals, strict=True):
            assert total - stage.min() <= min(totals) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("blocks", "most", "stages"), [(80, [12, 7, 4], 20), (60, [18, 11, 7], 10), (60, [60, 0], 1), (7, [6, 6], 7)]
)
def test_the_fewest_stages_divide_the_blocks_and_fit_the_smallest_server(blocks, most, stages):
    """Check Helix's numbers, servers without room, and a prime number of blocks."""
    assert fewest_stages(blocks, np.array(most)) == stages


def test_servers_too_small_for_a_given_stage_stay_idle():
    placement = swarm_placement(system_of([2.2, 1.1, 2.2], [1, 1, 1]), 2)
    assert placement.block_count.tolist() == [2, 0, 2]


def test_stages_that_do_not_fit_are_refused_in_one_sentence():
    with pytest.raises(InfeasibleError, match=r"^stages = 3: does not divide the 4 blocks of example$"):
        swarm_placement(system_of([2.2] * 4, [1] * 4), 3)
    with pytest.raises(
        InfeasibleError, match=r"^stages = 2: the number of servers that can host the 2 blocks .* is 1,"
    ):
        swarm_placement(system_of([2.2, 1.1], [1, 1]), 2)
    with pytest.raises(InputError, match=r"stages = 0: must be a whole number of at least 1"):
        Swarm(0)


@pytest.mark.parametrize("forwarding", ["hub", "direct"])
def test_priorities_grow_by_the_time_of_a_prompt(forwarding):
    system = replace(random_system(np.random.default_rng(2), server_count=4), forwarding=forwarding)
    placement = Placement([0, 0, 1, 1], [1, 1, 1, 1])
    times_s, servers, (_, tokens, _) = prompt_s(system, placement), system.servers, system.mean_job
    visit_s = servers.communication_s[:, 0] + tokens * servers.communication_s[:, 1]
    for j in range(4):
        block_s = servers.block_s[j, 0] + tokens * servers.block_s[j, 1]
        from_server_s, first_s = (servers.rtt_s[2, j] / 2, visit_s[j] / 2)
        if forwarding == "hub":
            from_server_s = first_s = visit_s[j]
        assert times_s[2, j] == pytest.approx(from_server_s + block_s)
        assert times_s[4, j] == pytest.approx(first_s + block_s)


def test_the_rule_is_that_of_swarm_unless_a_policy_is_given():
    system, rng = system_of([2.2] * 4, [1, 1, 2, 4]), np.random.default_rng(1)
    own, chains = Swarm().compose(system, rng), Swarm(dispatch=JFFC).compose(system, rng)
    assert isinstance(own.rule, FlowRouting)
    assert isinstance(chains, Composition)
    assert chains.rule is JFFC
    assert (own.placement.first_block == chains.placement.first_block).all()
