"""The system model: errors of the checks (1)-(4) name the server and the numbers; invalid input is refused."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from system import Composition, InfeasibleError, InputError, Placement, Servers, System, UnstableError
from system.checks import floor_with_slack
from tests.support.oracles.instances import random_placement, random_system, served_model

TWO = Servers([3.0, 2.5], [1.0, 2.0], [0.1, 0.2], ("Oslo", "Rome"))
SYSTEM = System(served_model(3), TWO, 0.5)


def composed(hops: list[tuple[int, int]], capacity: int, block_count: tuple[int, int] = (2, 2)) -> Composition:
    """Return one chain of (server, blocks) hops.

    Oslo hosts blocks from block 0 on, and Rome hosts the last of the three blocks.
    """
    servers, blocks = np.array(hops, dtype=np.int64).T
    placement = Placement([0, 3 - block_count[1]], list(block_count))
    return Composition.of_hops(SYSTEM, placement, servers, blocks, np.array([0, len(hops)]), np.array([capacity]))


@pytest.mark.parametrize(
    ("first_block", "block_count", "message"),
    [
        ([0, 0], [4, 0], "Oslo would host blocks 0 to 3, but example ends at block 2: host 1 fewer"),
        ([0, 2], [2, 2], "Rome would host blocks 2 to 3, but example ends at block 2: host 1 fewer"),
        ([0, 0], [3, 3], "Rome has 2.5 GB but its 3 blocks need 3 GB: 0.5 GB are missing"),
    ],
)
def test_a_range_that_does_not_fit_names_the_server_and_what_is_missing(first_block, block_count, message):
    with pytest.raises(InfeasibleError, match=f"^{re.escape(message)}$"):
        Placement(first_block, block_count).check(SYSTEM)


def test_servers_without_names_are_named_by_their_number():
    unnamed = replace(SYSTEM, servers=replace(TWO, names=()))
    with pytest.raises(InfeasibleError, match=r"^server 1 has 2\.5 GB"):
        Placement([0, 0], [3, 3]).check(unnamed)


def test_the_time_of_a_chain_is_the_sum_over_its_servers_and_their_blocks():
    chain = composed([(0, 2), (1, 1)], 5).chain(0)
    assert chain.servers == (0, 1)
    assert chain.blocks == (2, 1)
    assert chain.mean_service_s == pytest.approx((1.0 + 2 * 0.1) + (2.0 + 1 * 0.2))  # (2)


def test_a_job_takes_a_slot_for_each_block_that_it_runs_not_for_each_block_hosted():
    # Rome hosts 2 blocks of 1 GB in 2.5 GB: it has 5 slots, and a job on this chain takes 1. Oslo has 10 slots, and a
    # job takes 2.
    assert composed([(0, 2), (1, 1)], 5).slots_used().tolist() == [10, 5]
    message = "cache slots of Oslo = 10: its chains need 12, which is 2 too many; lower the capacities of its chains"
    with pytest.raises(InfeasibleError, match=re.escape(message)):
        composed([(0, 2), (1, 1)], 6)


@pytest.mark.parametrize(
    "hops",
    [
        [(0, 2)],  # stops early
        [(1, 2)],  # starts late
        [(0, 2), (1, 2)],  # runs block 1 twice
        [(0, 1), (1, 2)],  # leaves Oslo before the end of its range
        [(1, 1), (0, 2)],  # out of order
    ],
)
def test_a_chain_must_run_every_block_once_and_in_order(hops):
    message = rf"^chain 0 \({hops[0][0]},.*does not run blocks 0 to 2 once each and in order"
    with pytest.raises(InfeasibleError, match=message):
        composed(hops, 1)


def test_the_error_names_the_invalid_chain():
    system = replace(SYSTEM, servers=Servers([10.0, 10.0], [1.0, 2.0], [0.1, 0.2]))
    with pytest.raises(InfeasibleError, match=r"^chain 1 \(1,\) does not run"):
        Composition.of_hops(
            system, Placement([0, 0], [3, 3]), np.array([1, 0]), np.array([2, 3]), np.array([0, 1, 2]), np.array([1, 1])
        )


def test_chains_are_sorted_fastest_first_with_their_hops_and_capacities():
    servers = Servers([10.0] * 3, [3.0, 1.0, 2.0], [0.1] * 3)
    placement = Placement([0, 0, 0], [3, 3, 3])
    hops, starts, blocks = np.arange(3), np.arange(4), np.full(3, 3)
    composition = Composition.of_hops(
        replace(SYSTEM, servers=servers), placement, hops, blocks, starts, np.array([5, 6, 7])
    )
    assert [(chain.servers, chain.capacity) for chain in composition.chains] == [((1,), 6), ((2,), 7), ((0,), 5)]
    assert composition.mean_service_s == pytest.approx([1.3, 2.3, 3.3])
    assert composition.total_rate_per_s == pytest.approx(6 / 1.3 + 7 / 2.3 + 5 / 3.3)  # (4)
    assert composition.total_capacity == 18


def test_first_token_time_is_the_part_of_the_time_before_decoding():
    servers = Servers([10.0], [[0.5, 0.001, 0.02]], [[0.1, 0.002, 0.03]])
    system = System(served_model(3), servers, 0.1, mean_job=(1.0, 100.0, 19.0))
    chain = Composition.of_hops(system, Placement([0], [3]), np.array([0]), np.array([3]), np.array([0, 1]), [2])
    prefill_s = 0.5 + 0.001 * 100 + 3 * (0.1 + 0.002 * 100)
    assert chain.mean_first_token_s == pytest.approx([prefill_s])
    assert chain.mean_service_s == pytest.approx([prefill_s + 19 * (0.02 + 3 * 0.03)])


def test_the_arrival_rate_must_be_below_the_total_service_rate():
    composition = composed([(0, 2), (1, 1)], 5)
    composition.check_stable()
    total = composition.total_rate_per_s  # 5 / 3.4
    replace(composition, system=replace(SYSTEM, arrival_rate_per_s=np.nextafter(total, 0))).check_stable()
    message = r"^arrival_rate_per_s = 1\.47059: must be below the total service rate 1\.47059/s of the 1 chain;"
    with pytest.raises(UnstableError, match=message):
        replace(composition, system=replace(SYSTEM, arrival_rate_per_s=total)).check_stable()


def test_the_error_without_chains_names_a_block_that_no_server_hosts():
    nothing = np.empty(0, dtype=np.int64)
    with pytest.raises(InfeasibleError, match="no chain: no server hosts 2 of 3 blocks, the first of them block 1 "):
        Composition.of_hops(SYSTEM, Placement([0, 0], [1, 0]), nothing, nothing, np.array([0]), nothing)
    with pytest.raises(InfeasibleError, match="no path through all of them has a free cache slot"):
        Composition.of_hops(SYSTEM, Placement([0, 0], [3, 0]), nothing, nothing, np.array([0]), nothing)


def test_a_chain_of_capacity_0_is_refused():
    with pytest.raises(InputError, match=re.escape("capacity[0] = 0.0: must be a finite number of at least 1")):
        composed([(0, 2), (1, 1)], 0)


@pytest.mark.parametrize(("quotient", "whole"), [(3.3 / 1.1, 3), (0.3 / 0.1, 3), (2.9999999, 2), (0.0, 0), (7, 7)])
def test_a_quotient_that_is_whole_up_to_rounding_stays_whole(quotient, whole):
    assert floor_with_slack(quotient) == whole


def test_slack_lets_three_blocks_of_1_1_gb_into_3_3_gb():
    system = System(served_model(3, block_memory_gb=1.1), Servers([3.3], [1.0], [0.1]), 0.5)
    assert 3 * 1.1 > 3.3  # in floating point, so the slack is needed
    Placement([0], [3]).check(system)
    assert Placement([0], [3]).cache_slots(system).tolist() == [0]


def test_cache_slots_fill_the_memory_beside_the_blocks():
    rng = np.random.default_rng(11)
    for _ in range(100):
        system = random_system(rng)
        placement = random_placement(rng, system)
        slots = placement.cache_slots(system)
        hosting = placement.block_count > 0
        used_gb = system.model.block_memory_gb * placement.block_count + system.model.cache_memory_gb * slots
        assert (used_gb <= system.servers.memory_gb * (1 + 1e-12))[hosting].all()
        assert (used_gb + system.model.cache_memory_gb > system.servers.memory_gb)[hosting].all()
        assert (slots[~hosting] == 0).all()


def test_times_given_as_seconds_do_not_depend_on_lengths():
    system = replace(SYSTEM, mean_job=(1.0, 2000.0, 19.0))
    assert system.communication_s.tolist() == [1.0, 2.0]
    assert system.block_s.tolist() == [0.1, 0.2]


def test_a_hundred_thousand_servers_take_megabytes():
    count, chains = 98_000, 7_000
    tracemalloc.start()
    servers = Servers(np.full(count, 6.0), np.linspace(1, 2, count), np.full((count, 3), 0.1))
    placement = Placement(np.tile(np.arange(0, 70, 5), chains), np.full(count, 5))
    composition = Composition.of_hops(
        System(served_model(70), servers, 1.0),
        placement,
        np.arange(count),
        np.full(count, 5),
        np.arange(0, count + 1, 14),
        np.full(chains, 2),
    )
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(composition) == chains
    assert peak_bytes < 500 * count


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_gb": []}, "servers = []: a cluster needs at least one server"),
        ({"memory_gb": [3.0, float("nan")]}, "memory_gb[1] = nan: must be a finite number of at least 0"),
        ({"memory_gb": [-1.0, 3.0]}, "memory_gb[0] = -1.0: must be a finite number of at least 0"),
        ({"memory_gb": [[3.0, 3.0]]}, "memory_gb = array of shape (1, 2): must be one-dimensional"),
        ({"communication_s": [1.0, float("inf")]}, "communication_s["),
        ({"communication_s": [1.0]}, "communication_s = array of shape (1,): must have shape (2,) or (2, 3)"),
        ({"block_s": [[0.1, 0.1]] * 2}, "block_s = array of shape (2, 2): must have shape (2,) or (2, 3)"),
        ({"block_s": [0.1, -0.2]}, "block_s["),
        ({"names": ("Oslo",)}, "names = 1 names: give one for each of 2 servers"),
    ],
)
def test_invalid_servers_are_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}") as refusal:
        replace(TWO, **changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrival_rate_per_s": 0.0}, "arrival_rate_per_s = 0.0: must be a finite number above 0"),
        ({"arrival_rate_per_s": float("nan")}, "arrival_rate_per_s = nan: must be a finite number above 0"),
        ({"arrival_rate_per_s": "0.2"}, "arrival_rate_per_s = 0.2: must be a finite number above 0"),
        ({"target_load": 1.0}, "target_load = 1.0: must lie between 0 and 1"),
    ],
)
def test_an_invalid_system_is_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        replace(SYSTEM, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_count": 0}, "block_count = 0: must be a whole number of at least 1"),
        ({"block_count": 2.5}, "block_count = 2.5: must be a whole number of at least 1"),
        ({"cache_memory_gb": 0.0}, "cache_memory_gb = 0.0: must be a finite number above 0"),
        ({"block_memory_gb": float("nan")}, "block_memory_gb = nan: must be a finite number above 0"),
    ],
)
def test_an_invalid_model_is_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        replace(served_model(3), **changes)


@pytest.mark.parametrize(
    ("first_block", "block_count", "message"),
    [
        ([0, -1], [1, 1], "first_block[1] = -1.0: must be a finite number of at least 0"),
        ([0, 0], [1, 1.5], "block_count[1] = 1.5: must be a whole number"),
        ([0, 0], [1, float("nan")], "block_count[1] = nan: must be a finite number of at least 0"),
        ([0], [1, 1], "first_block = array of shape (1,): give one entry for each of 2 servers"),
        ([0, 0], [1, 1, 1], "block_count = array of shape (3,): give one entry for each of 2 servers"),
    ],
)
def test_an_invalid_placement_is_refused(first_block, block_count, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Placement(first_block, block_count).check(SYSTEM)


@pytest.mark.parametrize(("memory_gb", "largest"), [(40.0, 390), (1.1, 1), (1.05, 0), (0.2, 0)])
def test_the_largest_reservation_is_the_cache_that_fits_beside_one_block(memory_gb, largest):
    assert replace(SYSTEM, servers=Servers([0.5, memory_gb], [1.0, 1.0], [0.1, 0.1])).largest_reservation == largest
