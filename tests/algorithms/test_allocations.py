"""Reserved chains as an allocation, the integer program over GCA's chains, and the numbers of Fig. 2."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.allocation.ilp import ilp, least_capacities, slots_of_jobs
from algorithms.allocation.reserved_only import reserved_only
from algorithms.placement.gbp_cr import GbpCr
from evaluators.points.job_servers import JobServersEvaluator, greedy_slots, whole_slots
from system import InfeasibleError, Placement, Servers, System
from tests.support.oracles.instances import random_placement, random_queue, random_system, served_model


def worked_example(epsilon_s: float = 0.1) -> tuple[System, Placement]:
    servers = Servers([2.0, 3.0, 2.0, 2.0, 2.0], [1.0, 2.0, 1.0, 1.0, 1.0], epsilon_s * np.arange(1, 6))
    system = System(served_model(3), servers, 0.1)
    return system, GbpCr()(system, 1)


def composed(rng: np.random.Generator, count: int):
    """Yield compositions by GCA, on placements by GBP-CR and on random ones."""
    composed_count = 0
    while composed_count < count:
        system = random_system(rng, server_count=int(rng.integers(4, 16)))
        for placement in (GbpCr()(system, int(rng.integers(1, 4))), random_placement(rng, system)):
            try:
                yield system, gca(system, placement)
            except InfeasibleError:
                continue
            composed_count += 1


def test_reserved_chains_of_the_worked_example():
    """Check that each block is run at the first server that hosts it.

    Server j2 hosts blocks 2 and 3, and j5 hosts block 3.
    """
    system, placement = worked_example()
    chains = reserved_only(system, placement).chains
    assert [chain.servers for chain in chains] == [(0, 1), (2, 3, 4)]
    assert [chain.capacity for chain in chains] == [1, 1]
    assert [chain.mean_service_s for chain in chains] == pytest.approx(placement.reserved_chain_s(system))


def test_reserved_chains_are_at_least_as_fast_as_reserved_and_have_capacity_c():
    """Check that the last server runs only the remaining blocks: m_ij <= m_j."""
    rng, shorter = np.random.default_rng(51), 0
    for _ in range(60):
        system, c = random_system(rng, server_count=15), int(rng.integers(1, 5))
        placement = GbpCr()(system, c)
        if (placement.reserved_chain < 0).all():
            with pytest.raises(InfeasibleError, match="the placement reserves no complete chain"):
                reserved_only(system, placement)
            continue
        composition = reserved_only(system, placement)
        assert set(composition.capacity) == {c}
        reserved_s = np.sort(placement.reserved_chain_s(system))
        assert (composition.mean_service_s <= reserved_s * (1 + 1e-12)).all()
        shorter += (composition.mean_service_s < reserved_s * (1 - 1e-9)).any()
        assert composition.total_rate_per_s <= gca(system, placement).total_rate_per_s * (1 + 1e-9)
    assert shorter > 10


def test_without_shared_memory_the_greedy_choice_is_optimal():
    """Check that filling the fastest chains first takes the fewest job servers.

    The only constraint is 0 <= n_k <= c_k.
    """
    rng = np.random.default_rng(52)
    for _ in range(60):
        _, rates, capacity = random_queue(rng, most_states=1e5, decades=1)
        order = np.argsort(-rates)
        rates, capacity = rates[order], capacity[order]
        required = float(rng.uniform(0.02, 0.99)) * float(rates @ capacity)
        best = least_capacities(rates, required, np.eye(rates.size, dtype=np.int64), capacity)
        assert (best <= capacity).all()
        assert rates @ best >= required * (1 - 1e-6)
        assert best.sum() == greedy_slots(rates, capacity, required)


def test_the_program_lies_between_the_lower_bound_and_gca():
    rng = np.random.default_rng(53)
    for system, chains in composed(rng, 60):
        required = float(rng.uniform(0.05, 0.95)) * chains.total_rate_per_s
        rates, slots = chains.service_rate_per_s, chains.placement.cache_slots(system)
        best = least_capacities(rates, required, slots_of_jobs(chains), slots)
        assert (slots_of_jobs(chains) @ best <= slots).all()
        assert best.sum() <= greedy_slots(rates, chains.capacity, required)
        assert best.sum() >= whole_slots(required / rates[0])


def test_the_program_may_give_a_chain_more_capacity_than_gca_does():
    """Check a fastest chain that takes one slot from each of two other chains.

    GCA always fills the fastest chain; the program fills the two others if the rate requires it.
    """
    rates, blocks = np.array([1.0, 0.9, 0.9]), np.array([[1, 1, 0], [1, 0, 1]])
    slots = np.array([1, 1])
    assert least_capacities(rates, 0.95, blocks, slots).tolist() == [1, 0, 0]
    assert least_capacities(rates, 1.5, blocks, slots).tolist() == [0, 1, 1]


def test_the_allocation_reaches_the_target_load_with_the_chains_it_keeps():
    rng, dropped = np.random.default_rng(54), 0
    for system, chains in composed(rng, 40):
        at_rate = replace(system, arrival_rate_per_s=float(rng.uniform(0.05, 0.65)) * chains.total_rate_per_s)
        best = ilp(at_rate, chains.placement)
        assert best.total_rate_per_s >= at_rate.required_rate_per_s * (1 - 1e-6)
        assert {chain.servers for chain in best.chains} <= {chain.servers for chain in chains.chains}
        dropped += len(best) < len(chains)
    assert dropped > 10


def test_a_rate_above_all_capacities_is_refused_with_the_numbers():
    system, placement = worked_example()
    message = r"^required rate = 142\.857/s: no capacities of the 3 chains reach it within the cache slots, \d+ in all;"
    with pytest.raises(InfeasibleError, match=message):
        ilp(replace(system, arrival_rate_per_s=100.0), placement)


def test_greedy_slots_fill_the_last_chain_partly():
    rates, capacity = np.array([1.0, 0.5]), np.array([2, 4])
    assert [greedy_slots(rates, capacity, needed) for needed in (0.1, 1.0, 2.0, 2.1, 2.5, 2.6, 4.0)] == [
        1,
        1,
        2,
        3,
        3,
        4,
        6,
    ]
    assert whole_slots(0.3 / 0.1) == 3  # 2.9999999999999996
    assert whole_slots(0.1 * 3 / 0.1) == 3  # 3.0000000000000004


class OneDraw:
    """The parts of a draw that the evaluator uses."""

    def __init__(self, system: System, placement: Placement) -> None:
        self.system, self.layout = system, gca(system, placement)


def test_counts_of_the_worked_example():
    """Check the numbers of job servers by hand.

    The rates are 1/3.5, 1/4 and 1/4.2, with capacity 5 each. The reserved chains serve 1/3.5 + 1/4.2 with c = 1.
    """
    draw = OneDraw(*worked_example())
    total = 5 / 3.5 + 5 / 4 + 5 / 4.2
    reserved = 1 / 3.5 + 1 / 4.2
    shares = (0.9 / 3.5 / total, 0.9 * reserved / total, 0.5, 0.9)
    measured = {(metric, share): value for metric, value, share in JobServersEvaluator(shares)(draw, 0)}
    assert [measured["surrogate_job_servers", share] for share in shares[:2]] == [1, 2]
    assert not any(("surrogate_job_servers", share) in measured for share in shares[2:])
    assert [measured["all_chains_job_servers", share] for share in shares] == [2] * len(shares)  # c = 1
    assert [measured["lower_bound_job_servers", share] for share in shares] == [
        1,
        2,
        np.ceil(total / 2 * 3.5),
        np.ceil(0.9 * total * 3.5),
    ]
    assert measured["gca_job_servers", 0.5] == 5 + np.ceil((total / 2 - 5 / 3.5) * 4)
    assert measured["gca_job_servers", 0.9] == 10 + np.ceil((0.9 * total - 5 / 3.5 - 5 / 4) * 4.2)
    for share in shares:
        ordered = [measured[f"{name}_job_servers", share] for name in ("lower_bound", "ilp", "gca")]
        assert ordered == sorted(ordered)
