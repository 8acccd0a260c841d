"""Equal split: which server hosts which stage, and which systems it refuses."""

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.jsq import JSQ
from algorithms.equal_split import EqualSplit, equal_split
from system import InfeasibleError, InputError, Servers, System
from tests.support.oracles.instances import served_model


def system_of(memory_gb: list[float], block_count: int = 7) -> System:
    """Return a system of equally fast servers.

    A block needs 1 GB, and a job's cache in it 0.1 GB.
    """
    count = len(memory_gb)
    servers = Servers(np.array(memory_gb), np.full((count, 3), 0.1), np.full((count, 3), 0.1))
    return System(served_model(block_count), servers, 0.1, mean_job=(1.0, 1.0, 1.0))


def test_servers_are_dealt_out_to_the_stages_in_turn():
    placement = equal_split(system_of([5.0] * 5), 2).placement
    assert placement.first_block.tolist() == [0, 3, 0, 3, 0]
    assert placement.block_count.tolist() == [3, 4, 3, 4, 3]


def test_servers_that_are_too_small_for_a_stage_are_left_out():
    placement = equal_split(system_of([5.0, 4.3, 5.0, 4.5, 1.0]), 2).placement
    assert placement.block_count.tolist() == [3, 0, 4, 3, 0]
    assert placement.first_block.tolist() == [0, 0, 3, 0, 0]


def test_a_model_with_fewer_blocks_than_stages_is_cut_into_single_blocks():
    assert equal_split(system_of([2.0] * 3, block_count=3), 7).placement.block_count.tolist() == [1, 1, 1]


def test_too_few_servers_are_refused_in_one_sentence():
    sentence = (
        r"^stages = 3: the number of servers with the 3\.3 GB for a stage and one job's cache is 1, which is too few; "
        r"change the number of stages or add servers$"
    )
    with pytest.raises(InfeasibleError, match=sentence):
        equal_split(system_of([5.0, 2.0, 1.0]), 3)


def test_stages_and_dispatch_are_settings():
    system, rng = system_of([5.0] * 4), np.random.default_rng(1)
    assert EqualSplit(2).compose(system, rng).rule is JFFC
    assert EqualSplit(2, JSQ).compose(system, rng).rule is JSQ
    with pytest.raises(InputError, match=r"stages = 0: must be a whole number of at least 1"):
        EqualSplit(0)
