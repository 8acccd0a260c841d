"""PETALS: the number of blocks on each server, their range, and the costs of hops for its clients."""

import re
from dataclasses import replace

import numpy as np
import pytest

from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from algorithms.routing.petals import full_sessions_penalty, no_cache_penalty
from system import InfeasibleError, InputError, NotApplicableError, ServedModel, Servers, System
from tests.support.oracles.instances import random_system, served_model
from tests.support.oracles.routed_simulation import Hop, petals_scheme
from tests.support.oracles.routing_placements import petals

# NF4 takes 4.25 bits per parameter and 1 % for metadata. The cache takes two 16-bit numbers per token and width.
BLOCK_GB = round(2_466_437_120 * 4.25 / 8 * 1.01) / 1e9
Pairs = tuple[tuple[float, float], tuple[float, float]]
POOL_GB = 2 * 14336 * 4096 * 2 / 1e9


def bloom(cache_tokens: int) -> ServedModel:
    cache_gb = POOL_GB / 4096 * cache_tokens
    return ServedModel("bloom", 70, BLOCK_GB, cache_gb, cache_tokens, 5.0, BLOCK_GB, hidden_size=14336)


def bloom_system(memory_gb: list[float], cache_tokens: int = 2048) -> System:
    count = len(memory_gb)
    return System(bloom(cache_tokens), Servers(memory_gb, [1.0] * count, [0.1] * count), 0.2)


def test_bloom_takes_the_memory_of_petals_source():
    assert pytest.approx(1.323397667, abs=1e-9) == BLOCK_GB
    assert POOL_GB * 1e9 == 234_881_024


@pytest.mark.parametrize(
    ("memory_gb", "blocks"), [(40, 24), (20, 11), (86.13, 53), (9.1, 4), (79.13, 49), (8.2, 3), (1000, 70), (3.7, 0)]
)
def test_blocks_fit_beside_the_pool_and_the_reserve(memory_gb, blocks):
    reserve_gb = 2 * 2**30 / 1e9
    assert min(int((memory_gb - reserve_gb) / (BLOCK_GB + POOL_GB)), 70) == blocks
    assert PetalsPlacement().block_count(bloom_system([memory_gb])).tolist() == [blocks]


@pytest.mark.parametrize(("cache_tokens", "sessions"), [(1366, 2), (2048, 2), (2049, 1), (4096, 1), (1365, 3)])
def test_the_pool_holds_two_sessions_of_2048_tokens_for_any_memory(cache_tokens, sessions):
    system = bloom_system([8.2, 9.1, 20, 40, 86.13], cache_tokens)
    blocks, slots = PetalsPlacement().block_count(system), PetalsPlacement().slots(system)
    assert (slots == blocks * 4096 // cache_tokens).all()
    if cache_tokens != 1365:  # with 1365 tokens, the pools of all blocks together hold more than whole slots per block
        assert (slots // blocks == sessions).all()
    assert (slots // blocks >= sessions).all()


def test_the_block_cap_limits_the_smaller_servers_only():
    system = bloom_system([40, 20, 40, 9.1, 8.2])
    assert PetalsPlacement(small_server_block_cap=4).block_count(system).tolist() == [24, 4, 24, 4, 3]
    assert PetalsPlacement(small_server_block_cap=4).block_count(bloom_system([20, 20])).tolist() == [11, 11]


def test_the_reserve_grows_with_the_width():
    """Check that a model of half the width keeps 1 GiB free.

    A server of 20 GB then holds 12 blocks, one more than before.
    """
    system = bloom_system([20])
    narrow = replace(system, model=replace(system.model, hidden_size=7168))
    assert PetalsPlacement().block_count(narrow).tolist() == [int((20 - 2**30 / 1e9) / (BLOCK_GB + POOL_GB))] == [12]


def announced(system: System, block_count: np.ndarray, measured: Pairs | None) -> list[float]:
    """Return min(forward tokens/s / ((m + 1) / 2), network tokens/s)."""
    memory_gb, network = system.servers.memory_gb, 692.8e6 / (16 * system.model.hidden_size)
    pairs = [(1 / s, network) for s in system.servers.block_s[:, 1]]
    if measured is not None:
        pairs = [measured[0] if gb == memory_gb.max() else measured[1] for gb in memory_gb]
    return [min(f / ((m + 1) / 2), most) for (f, most), m in zip(pairs, block_count, strict=True)]


@pytest.mark.parametrize("block_selection", ["lexicographic", "window_sum"])
@pytest.mark.parametrize("measured", [None, ((7.0, 9.0), (40.0, 11.0))])
def test_servers_join_at_the_weakest_window_in_random_order(block_selection, measured):
    rng = np.random.default_rng(321)
    petals_placement = PetalsPlacement(block_selection=block_selection, measured_tokens_per_s=measured)
    hosted = 0
    for seed in range(150):
        system = random_system(rng, server_count=int(rng.integers(1, 25)), largest_model=30)
        block_count = petals_placement.block_count(system)
        order = np.random.default_rng(seed).permutation(len(system.servers)).tolist()
        model_blocks, throughput = system.model.block_count, announced(system, block_count, measured)
        first = petals(throughput, block_count.tolist(), model_blocks, order, by_sum=block_selection == "window_sum")
        placement = petals_placement(system, 1, np.random.default_rng(seed))
        assert placement.block_count.tolist() == block_count.tolist()
        used = block_count > 0
        assert (placement.first_block[used] == np.array(first)[used]).all()
        hosted += np.count_nonzero(used)
    assert hosted > 1000


MEASURED = ((20829.38, 3020.37), (5515.44, 6276.2))


def test_sums_of_windows_are_compared_to_the_last_bit():
    """Check that sums are taken block after block.

    Servers of two kinds announce few different throughputs. So many windows have the same sum but for rounding.
    """
    placement = PetalsPlacement(block_selection="window_sum", small_server_block_cap=4, measured_tokens_per_s=MEASURED)
    for seed in range(30):
        system = bloom_system([40.0] * 8 + [20.0] * 32)
        order = np.random.default_rng(seed).permutation(40).tolist()
        throughput = [min(20829.38 / 12.5, 3020.37)] * 8 + [min(5515.44 / 2.5, 6276.2)] * 32
        first = petals(throughput, [24] * 8 + [4] * 32, 70, order, by_sum=True)
        assert placement(system, 1, np.random.default_rng(seed)).first_block.tolist() == first


def test_a_slow_network_limits_the_throughput_that_servers_announce():
    """Check that all throughputs are equal then.

    With 2 of 4 blocks on each server, four servers cover every block twice.
    """
    servers = Servers([5.0] * 4, [1.0] * 4, [[0.1, 1e-9 * (j + 1), 0.1] for j in range(4)])
    system = System(served_model(4, cache_memory_gb=0.5), servers, 0.1)
    placement = PetalsPlacement()(system, 1, np.random.default_rng(0))
    assert placement.block_count.tolist() == [2, 2, 2, 2]
    assert sorted(placement.first_block.tolist()) == [0, 0, 2, 2]


def test_hops_cost_half_a_round_trip_an_overhead_and_a_decoding_step():
    rng = np.random.default_rng(322)
    checked = 0
    for _ in range(60):
        system = random_system(rng, server_count=int(rng.integers(1, 15)))
        try:
            composition = Petals(PetalsPlacement()).compose(system, rng)
        except InfeasibleError:
            continue
        scheme, client = petals_scheme(system, "backoff"), len(system.servers)
        for n, (source, target, blocks) in enumerate(zip(*composition.links, strict=True)):
            hop = Hop(None if source == client else int(source), int(target), int(blocks))
            assert composition.cost_s[n] == pytest.approx(scheme.hop_s(hop), rel=1e-12)
            checked += 1
        last = composition.placement.end_block == system.model.block_count
        assert composition.exit_s[last] == pytest.approx(system.servers.orchestrator_rtt_s[last] / 2)
        assert np.isinf(composition.exit_s[~last]).all()
    assert checked > 500


@pytest.mark.parametrize(("free", "penalty_s"), [(0, 10.0), (6, 10.0), (7, 0.0), (9, 0.0)])
def test_a_server_without_room_for_all_its_blocks_costs_10_s(free, penalty_s):
    no_jobs = 0.0, 0, 0, np.empty(1), np.empty(1, np.int64)
    assert no_cache_penalty(0, 2, 7, free, free, *no_jobs, np.array([10.0])) == penalty_s
    rule = Petals(PetalsPlacement()).compose(crowded_system(), np.random.default_rng(0)).rule
    assert rule.settings.tolist() == [10.0]
    assert rule.delay is no_cache_penalty


@pytest.mark.parametrize(("listed", "penalty_s"), [(1, 0.0), (2, 10.0), (3, 10.0)])
def test_a_server_with_as_many_jobs_as_sessions_costs_10_s_whatever_they_hold(listed, penalty_s):
    """Check a server with free slots for all blocks; 2048 of 4096 tokens make two sessions."""
    lists = 0.0, 4, 4 + listed, np.empty(9), np.empty(9, np.int64)
    assert full_sessions_penalty(0, 2, 7, 14, 14, *lists, np.array([10.0, 2.0])) == penalty_s
    rule = Petals(PetalsPlacement(), penalty="sessions").compose(crowded_system(), np.random.default_rng(0)).rule
    assert rule.settings.tolist() == [10.0, 2.0]
    assert rule.delay is full_sessions_penalty


def test_a_mean_token_counts_the_prompt():
    """Check that a hop then costs 1/20 of the time of its blocks for 2000 input and 20 output tokens."""
    system = replace(crowded_system(), mean_job=(1.0, 2000.0, 19.0))
    rng, mean_token = np.random.default_rng, Petals(PetalsPlacement(), hop_time="mean_token")
    composition = mean_token.compose(system, rng(0))
    block_s = system.servers.block_s @ np.array([1.0, 2000.0, 19.0])
    expected_s = 0.02 / 2 + 0.018 + composition.links.blocks * block_s[composition.links.target] / 20
    assert composition.cost_s == pytest.approx(expected_s, rel=1e-12)
    assert composition.cost_s.min() > Petals(PetalsPlacement()).compose(system, rng(0)).cost_s.max()


def test_the_routing_rule_gets_the_settings_of_the_clients():
    settings = {"waiting": "planned", "occupancy": "believed_without_wait", "initial_delay_s": 0.07}
    rule = Petals(PetalsPlacement(), **settings).compose(crowded_system(), np.random.default_rng(0)).rule
    assert {name: getattr(rule, name) for name in settings} == settings
    assert not rule.delay_is_wait  # the penalty is no expected wait


def crowded_system() -> System:
    rtt_s = np.full((3, 3), 0.02)
    servers = Servers([9.0] * 3, [1.0] * 3, [0.1] * 3, orchestrator_rtt_s=rtt_s[0], rtt_s=rtt_s)
    return System(served_model(4), servers, 0.1)


@pytest.mark.parametrize("missing", ["rtt_s", "orchestrator_rtt_s"])
def test_a_network_without_times_between_servers_is_refused(missing):
    system = crowded_system()
    without = replace(system, servers=replace(system.servers, **{missing: None}))
    with pytest.raises(NotApplicableError, match=r"^algorithm = petals: .*; use network=ripe_synthetic or network=eur"):
        Petals(PetalsPlacement()).compose(without, np.random.default_rng(0))


def test_a_model_of_unknown_width_is_refused():
    system = crowded_system()
    unknown = replace(system, model=replace(system.model, hidden_size=None))
    with pytest.raises(InputError, match=r"^model\.hidden_size = None: PETALS' memory reserve and network throughput"):
        PetalsPlacement()(unknown, 1, np.random.default_rng(0))


def test_servers_too_small_for_all_blocks_are_infeasible():
    with pytest.raises(InfeasibleError, match=r"^no path: no sequence of servers runs every block within its cache"):
        Petals(PetalsPlacement()).compose(two_round_trips(bloom_system([20, 20])), np.random.default_rng(0))


def two_round_trips(system: System) -> System:
    rtt_s = np.full((2, 2), 0.02)
    return replace(system, servers=replace(system.servers, orchestrator_rtt_s=rtt_s[0], rtt_s=rtt_s))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cached_tokens": 0}, "cached_tokens = 0: must be a whole number"),
        ({"network_mbit_per_s": 0.0}, "network_mbit_per_s = 0.0: must be a finite number above 0"),
        ({"block_selection": "sum"}, "block_selection = sum: must be one of lexicographic, window_sum"),
        (
            {"measured_tokens_per_s": [[1.0, 2.0]]},
            "measured_tokens_per_s = array of shape (1, 2): give [computing, netw",
        ),
        ({"measured_tokens_per_s": [[1, 2], [3, 0]]}, "measured_tokens_per_s[1][1] = 0: must be a finite number abov"),
        ({"measured_tokens_per_s": [[1, 2], [3]]}, "measured_tokens_per_s = [[1, 2], [3]]: must be an array of num"),
        ({"small_server_block_cap": 0}, "small_server_block_cap = 0: must be a whole number"),
    ],
)
def test_invalid_settings_of_the_placement_are_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        PetalsPlacement(**changes)


@pytest.mark.parametrize("name", ["hop_overhead_s", "no_cache_penalty_s", "initial_delay_s"])
def test_invalid_settings_of_the_clients_are_refused(name):
    with pytest.raises(InputError, match=f"^{name} = -1: must be a finite number, 0 or above"):
        Petals(PetalsPlacement(), **{name: -1})


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("waiting", "fcfs, first_fit, backoff, central, planned"),
        ("occupancy", "present, believed, believed_without_wait"),
        ("penalty", "free_slots, sessions"),
        ("hop_time", "decode_step, mean_token"),
    ],
)
def test_unknown_rules_of_the_clients_are_refused(name, choices):
    with pytest.raises(InputError, match=f"^{name} = mine: must be one of {choices}$"):
        Petals(PetalsPlacement(), **{name: "mine"})
