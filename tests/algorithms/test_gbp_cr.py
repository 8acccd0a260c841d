"""GBP-CR compared with a table of block counts, with Alg. 1 line by line, and with exhaustive search (Theorem 2)."""

import re
from dataclasses import replace

import numpy as np
import pytest

from algorithms.placement.gbp_cr import GbpCr
from hardware_profiles.profile import GpuProfile
from system import InputError, Servers, System
from tests.support.oracles.gbp_cr import gbp_cr, largest_rates
from tests.support.oracles.instances import random_system, served_model

BLOOM_JOB = (1.0, 2000.0, 19.0)


def bloom_system(cache_memory_gb: float = 0.11, rate_per_s: float = 0.2) -> System:
    """Return a system with the paper's defaults.

    It has 4 fast and 16 slow slices, round trips of 27 ms, and an overhead of 18 ms per message.
    """
    model = replace(served_model(70, 1.32, cache_memory_gb), prefill_gflop=5.0, decode_read_gb=1.32)
    fast = GpuProfile("fast", "", "", memory_gb=40, prefill_tflops=120, bandwidth_gb_per_s=1020, overhead_s=0.001)
    slow = GpuProfile("slow", "", "", memory_gb=20, prefill_tflops=80, bandwidth_gb_per_s=510, overhead_s=0.001)
    gpus = [fast] * 4 + [slow] * 16
    block_s = [gpu.block_coefficients_s(model) for gpu in gpus]
    servers = Servers([gpu.memory_gb for gpu in gpus], [[0.045, 0.0, 0.045]] * 20, block_s)
    return System(model, servers, rate_per_s, BLOOM_JOB)


def blocks_on(memory_gb: float, c: int, block_memory_gb: float, cache_memory_gb: float, block_count: int) -> int:
    model = served_model(block_count, block_memory_gb, cache_memory_gb)
    return int(GbpCr()(System(model, Servers([memory_gb], [1.0], [0.1]), 0.1), c).block_count[0])


@pytest.mark.parametrize(
    ("c", "cache_memory_gb", "blocks"),
    [(7, 0.11, 19), (7, 0.1158, 18), (7, 0.1186, 18), (8, 0.11, 18), (8, 0.1158, 17), (8, 0.1186, 17)],
)
def test_blocks_of_bloom_on_40_gb(c, cache_memory_gb, blocks):
    assert blocks_on(40, c, 1.32, cache_memory_gb, 70) == blocks


@pytest.mark.parametrize(("memory_gb", "blocks"), [(40, 24), (20, 12)])
def test_blocks_of_llama_with_35_jobs_reserved(memory_gb, blocks):
    assert blocks_on(memory_gb, 35, 0.4375, 0.0336, 32) == blocks


def test_a_server_never_hosts_more_than_the_model():
    assert blocks_on(1000, 1, 1.0, 0.1, 32) == 32


def test_whole_quotients_are_not_lost_to_rounding():
    assert blocks_on(3.3, 1, 1.0, 0.1, 32) == 3  # 3.3 / 1.1 is 2.9999999999999996 in floating point


def test_the_printed_rule_builds_one_chain_at_the_papers_defaults():
    printed = GbpCr("required_rate")(bloom_system(), 7)
    assert printed.reserved_chain.max() == 0
    assert np.count_nonzero(printed.block_count) == 4  # the 4 fast servers, because 4 x 19 >= 70
    assert np.flatnonzero(printed.block_count).tolist() == [0, 1, 2, 3]
    assert np.count_nonzero(GbpCr("max_chains")(bloom_system(), 7).block_count) == 20


def test_the_printed_rule_forms_as_many_chains_as_the_rate_needs():
    all_chains = GbpCr("max_chains")(bloom_system(), 7).reserved_chain_s(bloom_system())
    rates = np.cumsum(1 / all_chains)
    assert rates.size >= 2
    for chains in range(1, rates.size + 1):
        required = 0.999 * rates[chains - 1] * 7
        printed = GbpCr("required_rate")(bloom_system(rate_per_s=0.7 * required), 7)
        assert printed.reserved_chain_s(bloom_system()) == pytest.approx(all_chains[:chains], rel=1e-12)


def test_running_out_of_servers_is_not_an_error():
    printed = GbpCr("required_rate")(bloom_system(rate_per_s=100.0), 7)
    most = GbpCr("max_chains")(bloom_system(), 7)
    assert (printed.block_count == most.block_count).all()
    assert (printed.first_block == most.first_block).all()


@pytest.mark.parametrize("stop_rule", ["max_chains", "required_rate"])
def test_gbp_cr_equals_algorithm_1_line_by_line(stop_rule):
    rng = np.random.default_rng(21)
    for _ in range(200):
        system = random_system(rng, server_count=int(rng.integers(1, 25)))
        c = int(rng.integers(1, 12))
        enough = system.required_rate_per_s / c if stop_rule == "required_rate" else np.inf
        first, hosted, chains_s = gbp_cr(system, c, enough)
        placement = GbpCr(stop_rule)(system, c)
        hosting = placement.block_count > 0
        assert placement.block_count.tolist() == hosted
        assert (placement.first_block[hosting] + 1).tolist() == [a for a in first if a > 0]
        assert placement.reserved_chain_s(system) == pytest.approx(chains_s, rel=1e-12)
        assert placement.reserved_capacity == c


def test_the_reserved_cache_always_fits():
    rng = np.random.default_rng(22)
    for _ in range(200):
        system, c = random_system(rng), int(rng.integers(1, 12))
        placement = GbpCr()(system, c)
        placement.check(system)
        assert (placement.cache_slots(system) >= c * placement.block_count).all()


def test_equal_servers_are_sorted_by_index():
    system = System(served_model(4), Servers([2.2] * 6, [1.0] * 6, [0.1] * 6), 0.1)
    assert GbpCr()(system, 1).first_block.tolist() == [0, 2, 0, 2, 0, 2]
    printed = GbpCr("required_rate")(system, 1)
    assert np.flatnonzero(printed.block_count).tolist() == [0, 1]


@pytest.mark.parametrize(("server_count", "servers_per_chain"), [(7, 2), (8, 2), (8, 3), (9, 3)])
def test_with_equal_memory_no_other_chains_are_fewer(server_count, servers_per_chain):
    """Check Theorem 2.

    For any required rate, K chains suffice only if GBP-CR's K chains do. With m blocks on every server, a chain takes
    ceil(L / m) servers; more would only make it slower.
    """
    rng = np.random.default_rng(23)
    for _ in range(5):
        m, c = 2, int(rng.integers(1, 5))
        model = served_model(m * servers_per_chain - int(rng.integers(0, m)))
        memory_gb = [m * (1.0 + 0.1 * c)] * server_count
        servers = Servers(memory_gb, rng.uniform(0.1, 5, server_count), rng.uniform(0.1, 1, server_count))
        system = System(model, servers, 1.0)
        best = largest_rates((system.communication_s + m * system.block_s).tolist(), servers_per_chain)
        greedy = np.cumsum(1 / GbpCr()(system, c).reserved_chain_s(system))
        assert greedy == pytest.approx(best[1:], rel=1e-12)
        for needed in rng.uniform(0, best[-1], 10):
            fewest = next(k for k, rate in enumerate(best) if rate >= needed)
            at_rate = replace(system, arrival_rate_per_s=0.7 * c * needed)
            assert c * (GbpCr("required_rate")(at_rate, c).reserved_chain.max() + 1) == c * fewest


def test_an_unknown_stop_rule_is_refused():
    message = "stop_rule = never: choose one of max_chains, required_rate"
    with pytest.raises(InputError, match=re.escape(message)):
        GbpCr("never")


@pytest.mark.parametrize("c", [0, -1, 1.5])
def test_the_reserved_capacity_must_be_a_whole_number_of_at_least_1(c):
    with pytest.raises(InputError, match=re.escape(f"reserved_capacity = {c}: must be a whole number of at least 1")):
        GbpCr()(random_system(np.random.default_rng(24)), c)
