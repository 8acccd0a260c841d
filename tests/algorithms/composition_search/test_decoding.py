"""States are decoded as GBP-CR and GCA would, and valued as the exact theory does."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.composition_search.annealing import evaluate
from algorithms.composition_search.decoding import NO_CHAIN
from algorithms.composition_search.starts import reserved_state
from algorithms.composition_search.state import State, Work, placed_state, problem_of, work_for
from algorithms.placement.gbp_cr import GbpCr
from evaluators.queueing import exact
from evaluators.queueing.prefixes.means import prefix_means
from system import Composition, InfeasibleError, Placement, System
from tests.support.oracles.instances import random_allocations, random_placement, random_system

NO_SETTINGS = np.empty(0)


def valued(system: System, state: State, is_placement: bool) -> tuple[float, Work]:
    problem = problem_of(system)
    work = work_for(problem, NO_SETTINGS)
    return evaluate(prefix_means, problem, state, work, is_placement), work


def chains_of(work: Work) -> list[tuple[list[int], list[int], int]]:
    """Return servers, blocks and capacity of the chains that the search sees."""
    chains, (_, count) = work.chains, work.chains.counts
    hops = [slice(chains.hop_start[k], chains.hop_start[k + 1]) for k in range(count)]
    return [
        (chains.hop_server[hop].tolist(), chains.hop_blocks[hop].tolist(), int(chains.capacity[k]))
        for k, hop in enumerate(hops)
    ]


def assert_same_chains(work: Work, composition: Composition) -> None:
    expected = [(list(chain.servers), list(chain.blocks), chain.capacity) for chain in composition.chains]
    assert chains_of(work) == expected
    assert work.chains.time_s[: len(expected)] == pytest.approx(composition.mean_service_s, rel=1e-12)


def test_equal_reservations_in_the_order_of_amortised_times_give_gbp_cr_and_gca():
    rng, compared = np.random.default_rng(1), 0
    for _ in range(150):
        system, c = random_system(rng, int(rng.integers(2, 25))), int(rng.integers(1, 8))
        placement = GbpCr()(system, c)
        state = reserved_state(system, c)
        value, work = valued(system, state, is_placement=False)
        assert (state.block_count == placement.block_count).all()
        hosts = placement.block_count > 0
        assert (state.first_block[hosts] == placement.first_block[hosts]).all()
        try:
            composition = gca(system, placement)
        except InfeasibleError:
            assert value == NO_CHAIN
            continue
        assert_same_chains(work, composition)
        compared += 1
    assert compared > 60


def test_any_placement_gives_the_chains_of_gca():
    rng, compared = np.random.default_rng(2), 0
    for _ in range(150):
        system = random_system(rng, int(rng.integers(2, 25)))
        placement = random_placement(rng, system)
        value, work = valued(system, placed_state(placement), is_placement=True)
        try:
            assert_same_chains(work, gca(system, placement))
        except InfeasibleError:
            assert value == NO_CHAIN
            continue
        compared += 1
    assert compared > 60


def test_a_value_is_the_least_exact_mean_of_any_prefix():
    rng, compared = np.random.default_rng(3), 0
    for system, placement, composition in random_allocations(rng, lambda rng: random_system(rng, 15), 60):
        rate = float(rng.uniform(0.1, 0.95)) * composition.total_rate_per_s
        value, _ = valued(replace(system, arrival_rate_per_s=rate), placed_state(placement), is_placement=True)
        prefixes = [composition.only(range(k)) for k in range(1, len(composition) + 1)]
        means = [
            exact(rate, chains.service_rate_per_s, chains.capacity).mean_response_s
            for chains in prefixes
            if chains.total_rate_per_s > rate * (1 + 1e-6)
        ]
        assert value == pytest.approx(min(means), rel=1e-4)
        compared += 1
    assert compared > 20


def test_a_state_that_cannot_serve_the_rate_is_better_the_more_it_serves():
    rng = np.random.default_rng(4)
    values = []
    while len(values) < 10:
        system = replace(random_system(rng, 10), arrival_rate_per_s=1000.0)
        placement = random_placement(rng, system)
        try:
            total = gca(system, placement).total_rate_per_s
        except InfeasibleError:
            continue
        value, _ = valued(system, placed_state(placement), is_placement=True)
        values.append(value * total)
    assert values == pytest.approx([values[0]] * 10)


def test_a_placement_that_hosts_nothing_has_no_chain():
    system = random_system(np.random.default_rng(5), 4)
    nothing = placed_state(Placement(np.zeros(4, np.int64), np.zeros(4, np.int64)))
    assert valued(system, nothing, is_placement=True)[0] == NO_CHAIN
