"""Parallax: pipelines, water filling, servers that join later, and the router."""

from itertools import product

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.parallax import Parallax
from algorithms.placement.parallax import (
    ParallaxPlacement,
    Room,
    dp_pipelines,
    greedy_pipelines,
    join_lightest,
    water_filled,
)
from algorithms.routing.parallax import load_delay
from evaluators.simulation import simulate_layout
from system import Composition, InfeasibleError, InputError, NotApplicableError, Placement, Servers, System
from tests.support.oracles.instances import served_model
from workloads.jobs import Jobs


def room_of(middle: list[int], table: int = 0) -> Room:
    """Return the room of servers.

    The embedding and the head each take the room of `table` blocks.
    """
    blocks = np.array(middle)
    return Room(blocks, blocks - table, blocks - table, blocks - 2 * table)


def test_greedy_pipelines_take_the_servers_in_their_order():
    assert greedy_pipelines(room_of([5, 4, 3, 3, 2]), 7) == [[0, 1], [2, 3, 4]]
    assert greedy_pipelines(room_of([5, 4, 3, 3, 2], 1), 7) == [[0, 1]]  # 4 + 3 blocks; the others lack one
    assert greedy_pipelines(room_of([3, 3]), 7) == []


def test_a_server_with_room_for_the_model_is_a_pipeline_by_itself():
    """Check that the last such server comes first."""
    assert greedy_pipelines(room_of([9, 8, 3, 4, 4]), 8) == [[1], [0], [2, 3, 4]]


def test_dynamic_programming_forms_two_pipelines_where_greed_forms_one():
    """Check the example of Parallax's own documentation."""
    room = room_of([40, 40, 20, 20, 10, 10])
    assert greedy_pipelines(room, 70) == [[0, 1]]
    assert sorted(room.middle[pipeline].tolist() for pipeline in dp_pipelines(room, 70)) == [[40, 20, 10]] * 2


def best_score(middle: np.ndarray, blocks: int) -> float:
    """Return the largest k²/s over all assignments of servers to pipelines."""
    scores = [0.0]
    for count in range(1, middle.size + 1):
        for assigned in product(range(-1, count), repeat=middle.size):
            held = [middle[[pipeline == n for pipeline in assigned]].sum() for n in range(count)]
            if min(held) >= blocks:
                scores.append(count**2 / sum(pipeline >= 0 for pipeline in assigned))
    return max(scores)


def test_dynamic_programming_finds_the_best_score():
    rng = np.random.default_rng(1)
    for _ in range(25):
        middle, blocks = rng.integers(1, 8, 5), int(rng.integers(4, 9))
        pipelines = dp_pipelines(room_of(middle.tolist()), blocks)
        assert all(middle[pipeline].sum() >= blocks for pipeline in pipelines)
        used = [j for pipeline in pipelines for j in pipeline]
        assert len(set(used)) == len(used)
        assert len(pipelines) ** 2 / max(len(used), 1) == pytest.approx(best_score(middle, blocks))


def test_dynamic_programming_refuses_too_many_servers():
    with pytest.raises(NotApplicableError, match=r"^allocator = dp: 1 pipelines of 300 .*; use allocator=greedy$"):
        dp_pipelines(room_of([1] * 300), 299)


@pytest.mark.parametrize(
    ("room", "tflops", "blocks", "lengths"),
    [
        ([4, 4, 4], [1, 2, 3], 6, [1, 2, 3]),
        ([4, 4, 2], [1, 1, 10], 6, [2, 2, 2]),  # the fastest server has room for two
        ([9, 9, 9], [1, 1, 1], 7, [3, 2, 2]),  # of equal remainders, the first is rounded up
    ],
)
def test_water_fills_servers_by_their_tflops(room, tflops, blocks, lengths):
    members, filled = water_filled(room_of(room), [0, 1, 2], np.array(tflops, dtype=float), blocks)
    assert members.tolist() == [0, 1, 2]
    assert filled.tolist() == lengths


def test_water_levels_are_equal_up_to_rounding():
    rng = np.random.default_rng(2)
    for _ in range(50):
        room, tflops = rng.integers(1, 12, 6), rng.uniform(1, 9, 6)
        blocks = int(rng.integers(1, room.sum() + 1))
        members, lengths = water_filled(room_of(room.tolist()), list(range(6)), tflops, blocks)
        most = room[members]
        assert lengths.sum() == blocks
        assert (lengths <= most).all()
        below = lengths < most
        if below.any():  # a server that is not full has at least the level of any other, less one block
            level = ((lengths - 1) / tflops[members]).max()
            assert ((lengths + 1) / tflops[members])[below].min() >= level


def test_a_pipeline_that_lacks_room_in_the_order_of_room_is_refused():
    """Check an embedding that costs a block only on the larger server."""
    room = Room(np.array([3, 4]), np.array([3, 3]), np.array([3, 4]), np.array([3, 3]))
    assert greedy_pipelines(room, 7) == [[0, 1]]
    with pytest.raises(InfeasibleError, match=r"^total capacity 6 is less than the 7 blocks of the model: "):
        water_filled(room, [0, 1], np.ones(2), 7)


def test_servers_that_are_left_over_join_where_caches_are_smallest():
    """Check two servers that join one after the other.

    Caches have 6/3 = 2 GB for blocks 0 to 2 and 3/3 = 1 GB for blocks 3 to 5, then 1 GB more for blocks 3 and 4.
    """
    placement = Placement([0, 3, 0, 0], [3, 3, 0, 0])
    join_lightest(room_of([3, 3, 2, 4]), np.array([6.0, 3.0, 2.0, 4.0]), placement, 6)
    assert placement.first_block.tolist() == [0, 3, 3, 5]
    assert placement.block_count.tolist() == [3, 3, 2, 1]


def system_of(gpu_memory_gb: list[float], step_s: list[float]) -> System:
    """Return servers for six blocks of 1 GB and a small embedding."""
    count = len(gpu_memory_gb)
    block_s = np.column_stack([np.full(count, 0.1), np.zeros(count), np.array(step_s)])
    sheets = {"gpu_memory_gb": np.array(gpu_memory_gb), "gpu_tflops": np.ones(count)}
    servers = Servers(np.full(count, 9.0), np.full(count, 0.1), block_s, rtt_s=np.full((count, count), 0.1), **sheets)
    return System(served_model(6), servers, 0.1, (1.0, 10.0, 5.0))


PLACEMENT = ParallaxPlacement(vocabulary=1000)


def test_half_of_the_gpus_memory_holds_blocks():
    """Check that half of 6 GiB holds three blocks beside an embedding."""
    placement = PLACEMENT(system_of([6.0, 6.0], [1, 1]))
    assert placement.first_block.tolist() == [0, 3]
    assert placement.block_count.tolist() == [3, 3]
    with pytest.raises(InfeasibleError, match=r"^allocator = greedy: forms no pipeline of 6 blocks .* room for 4 in"):
        PLACEMENT(system_of([4.0, 4.0], [1, 1]))


def test_requests_take_the_fastest_pipeline_and_at_most_so_many():
    """Check three requests at two pipelines with room for one each."""
    system = system_of([6.0, 6.0, 6.0, 6.0], [2, 2, 1, 1])
    layout = Parallax(PLACEMENT, most_requests=1).compose(system, np.random.default_rng(1))
    jobs = Jobs(np.array([0.0, 0.1, 0.2]), np.ones(3), np.array([[10.0, 5.0]] * 3), np.zeros(3))
    times = simulate_layout(layout, jobs).times
    fast_s, slow_s = times.service_s[0], times.service_s[1]
    assert slow_s - fast_s == pytest.approx(6 * 5 * (2 - 1))  # blocks x further tokens x (slow - fast)
    assert times.service_s[2] == pytest.approx(fast_s)
    assert times.waiting_s == pytest.approx([0, 0, fast_s - 0.2])


def test_a_hop_never_runs_a_part_of_a_servers_blocks():
    """Check that a range which overlaps the one before costs infinitely much."""
    system = system_of([6.0, 6.0, 4.0], [1, 1, 1])
    layout = Parallax(PLACEMENT).compose(system, np.random.default_rng(1))
    hosted = layout.placement.block_count[layout.links.target]
    assert (np.isfinite(layout.cost_s) == (layout.links.blocks == hosted)).all()
    assert np.isfinite(layout.cost_s).any()


def test_the_delay_grows_with_the_requests_until_the_server_is_full():
    settings = np.array([2.0, 4.0, 0.1])
    delays_s = [
        load_delay(0, 1, 1, 9, 9, 0.0, 3, 3 + n, np.zeros(9), np.zeros(9, np.int64), settings) for n in (0, 1, 2)
    ]
    assert delays_s == pytest.approx([0, 0.05, np.inf])


def test_parts_are_settings_and_missing_data_sheets_are_refused():
    system, rng = system_of([6.0, 6.0], [1, 1]), np.random.default_rng(1)
    chains = Parallax(PLACEMENT, dispatch=JFFC).compose(system, rng)
    assert isinstance(chains, Composition)
    assert chains.rule is JFFC
    with pytest.raises(InputError, match=r"allocator = best: choose one of greedy, dp|allocator = best: "):
        ParallaxPlacement("best")
    bare = Servers(np.ones(2), np.ones(2), np.ones(2))
    with pytest.raises(
        NotApplicableError, match=r"^algorithm = parallax: needs gpu_memory_gb and gpu_tflops of server 0"
    ):
        PLACEMENT(System(served_model(2), bare, 0.1))
