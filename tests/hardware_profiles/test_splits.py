"""Servers that are just large enough for given chains, and chains in the order of the cluster."""

import pytest
from hydra.utils import instantiate

from evaluators.points.case import Draw
from hardware_profiles.splits import SplitServers
from system import InputError
from tests.support.project import case_of

SMALL = ("network=local", "cluster=local_splits", "placement=in_order", "allocation=reserved_only")


def layout_of(*overrides):
    words = ("model=small_llama", "workload=drawn_lengths", "demand.per_s=1", *overrides)
    return Draw(instantiate(case_of(*SMALL, *words), _convert_="all"), 0).layout


@pytest.mark.parametrize("capacity", [1, 2, 4])
@pytest.mark.parametrize("rtt_s", [0, 0.01])
def test_chains_have_the_parts_and_the_slots_that_are_given(capacity, rtt_s):
    layout = layout_of(f"tuning.capacity={capacity}", f"network.rtt_s={rtt_s}", "cluster.splits=[[13,3],[5,5,6],[1]]")
    assert sorted(chain.blocks for chain in layout.chains) == [(5, 5, 6), (13, 3), (16,)]
    assert layout.capacity.tolist() == [capacity] * 3


def test_parts_are_in_proportion_to_any_number_of_blocks():
    layout = layout_of("tuning.capacity=2", "model.block_count=32")
    assert [chain.blocks for chain in layout.chains] == [(6, 26), (10, 22)]


def test_a_chosen_c_leaves_room_for_four_slots():
    servers = layout_of("tuning=exact_mean", "tuning.largest=4").system.servers
    fixed = layout_of("tuning.capacity=4").system.servers
    assert servers.memory_gb.tolist() == fixed.memory_gb.tolist()


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ([], "list the parts of at least one chain"),
        ([8, 8], r"splits = 8: must be lists of parts"),
        ([[8, 0]], "splits = 0: must be"),
    ],
)
def test_wrong_splits_are_named(splits, reason):
    with pytest.raises(InputError, match=reason):
        SplitServers(
            network=None, profile=None, splits=splits, capacity=1, prefill_overhead_s=0.0, token_overhead_s=0.0
        )


def test_parts_that_leave_a_server_without_blocks_are_named():
    with pytest.raises(InputError, match=r"splits = \[1, 99\]: leaves a server without any of 16 blocks"):
        layout_of("cluster.splits=[[1,99]]", "tuning.capacity=1")
