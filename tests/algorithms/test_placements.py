"""Random, optimal and whole-model placements, compared with GBP-CR, each other and the paper's Table I."""

import re
from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.placement.exhaustive import exhaustive
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.random_feasible import RandomFeasible
from algorithms.placement.reservation import needed_chains
from algorithms.placement.set_packing import set_packing
from algorithms.placement.whole_model import whole_model
from evaluators.points.reservations import ReservationsEvaluator
from system import InfeasibleError, InputError, NotApplicableError, Placement, RandomStreams, Servers, System
from tests.support.oracles.gbp_cr import optimum
from tests.support.oracles.instances import random_system, served_model


def small_system(rng: np.random.Generator, server_count: int, equal_memory: bool = False) -> System:
    """Return servers for about two chains, with a random rate.

    The rate may need one chain or two, or be out of reach.
    """
    model = served_model(int(rng.integers(3, 7)), cache_memory_gb=0.1)
    memory_gb = np.full(server_count, rng.uniform(1.5, 6)) if equal_memory else rng.uniform(1.5, 6, server_count)
    servers = Servers(memory_gb, rng.uniform(0.1, 3, server_count), rng.uniform(0.05, 1, server_count))
    return System(model, servers, float(rng.uniform(0.02, 0.6)))


def chains_and_rate(system: System, placement: Placement) -> tuple[int, float]:
    rates = 1 / placement.reserved_chain_s(system)
    return rates.size, float(rates.sum())


def solved(placement_of, system: System, c: int) -> tuple[int, float] | None:
    try:
        return chains_and_rate(system, placement_of(system, c))
    except InfeasibleError:
        return None


def fewest_by_gbp_cr(system: System, c: int) -> int | None:
    try:
        return needed_chains(system, GbpCr("required_rate")(system, c))
    except InfeasibleError:
        return None


def test_with_equal_memory_gbp_cr_is_optimal():
    """Compare Theorem 2 with an enumeration that uses no amortised times."""
    rng, solvable = np.random.default_rng(41), 0
    for _ in range(100):
        system, c = small_system(rng, int(rng.integers(1, 9)), equal_memory=True), int(rng.integers(1, 4))
        best = solved(exhaustive, system, c)
        assert fewest_by_gbp_cr(system, c) == (best and best[0])
        if best:
            rate = chains_and_rate(system, GbpCr("required_rate")(system, c))[1]
            assert rate == pytest.approx(best[1], rel=1e-12)
            solvable += 1
    assert 30 < solvable < 100


def test_set_packing_and_enumeration_agree_on_unequal_memory():
    """Compare both with a third search, and check that GBP-CR never needs fewer chains."""
    rng, counts = np.random.default_rng(42), []
    for _ in range(60):
        system, c = small_system(rng, int(rng.integers(1, 8))), int(rng.integers(1, 4))
        best = solved(exhaustive, system, c)
        for other in (solved(set_packing, system, c), optimum(system, c)):
            assert (other and other[0]) == (best and best[0])
            assert best is None or other[1] == pytest.approx(best[1], rel=1e-12)
        greedy = fewest_by_gbp_cr(system, c)
        assert greedy is None or greedy >= best[0]
        counts.append(best[0] if best else 0)
    assert {0, 1, 2} <= set(counts)


def test_gbp_cr_may_need_more_chains_if_memory_is_unequal():
    """Check a case in which GBP-CR wastes the large server.

    The servers hold 1, 2 and 3 blocks, and the model has 3. GBP-CR takes the fastest server per block first.
    """
    servers = Servers([2.2, 3.3, 1.1], [0.2, 0.66, 1.0], [0.0, 0.0, 0.0])
    system = System(served_model(3), servers, 0.7 * 1.2)
    assert chains_and_rate(system, exhaustive(system, 1)) == (1, pytest.approx(1 / 0.66))
    assert set_packing(system, 1).reserved_chain.tolist() == [-1, 0, -1]
    with pytest.raises(InfeasibleError, match="lower the arrival rate or add servers"):
        needed_chains(system, GbpCr("required_rate")(system, 1))


def test_the_worked_example_needs_both_chains_at_a_high_rate():
    """Check that the optimum is j1 j2 and j3 j4 j5.

    No two other disjoint chains of the five servers have as large a total rate.
    """
    epsilon_s = 0.1
    servers = Servers([2.0, 3.0, 2.0, 2.0, 2.0], [1.0, 2.0, 1.0, 1.0, 1.0], epsilon_s * np.arange(1, 6))
    times_s = [3 + 5 * epsilon_s, 3 + 12 * epsilon_s]
    both = System(served_model(3), servers, 0.7 * sum(1 / time_s for time_s in times_s))
    for placement_of in (exhaustive, set_packing, GbpCr("required_rate")):
        placement = placement_of(both, 1)
        assert placement.reserved_chain.tolist() == [0, 0, 1, 1, 1]
        assert placement.reserved_chain_s(both) == pytest.approx(times_s)
    one = replace(both, arrival_rate_per_s=0.7 / times_s[0])
    for placement_of in (exhaustive, set_packing):
        assert placement_of(one, 1).block_count.tolist() == [1, 2, 0, 0, 0]


@pytest.mark.parametrize(("placement_of", "most"), [(exhaustive, 9), (set_packing, 14)])
def test_optimal_placements_refuse_large_clusters(placement_of, most):
    system = System(served_model(3), Servers([2.0] * (most + 1), [1.0] * (most + 1), [0.1] * (most + 1)), 0.1)
    with pytest.raises(NotApplicableError, match=f"{most + 1} servers .* use at most {most} servers"):
        placement_of(system, 1)


def test_set_packing_solves_its_largest_clusters():
    rng = np.random.default_rng(43)
    system = System(served_model(14), Servers([2.2] * 14, rng.uniform(0.1, 3, 14), rng.uniform(0.1, 1, 14)), 0.01)
    greedy = chains_and_rate(system, GbpCr("required_rate")(system, 1))
    assert chains_and_rate(system, set_packing(system, 1)) == pytest.approx(greedy, rel=1e-12)


def test_random_placements_form_chains_as_gbp_cr_does_in_another_order():
    rng = np.random.default_rng(44)
    for _ in range(50):
        system, c = random_system(rng), int(rng.integers(1, 5))
        greedy, random = GbpCr()(system, c), RandomFeasible()(system, c, rng)
        random.check(system)
        assert random.block_count.tolist() == greedy.block_count.tolist()
        assert (random.cache_slots(system) >= c * random.block_count).all()
        for k in range(random.reserved_chain.max() + 1):
            members = random.reserved_chain == k
            last = np.argmax(np.where(members, random.end_block, 0))
            blocks = random.block_count[members].sum()
            assert blocks >= system.model.block_count > blocks - random.block_count[last]


def test_random_placements_differ_and_reach_the_rate_or_are_refused():
    system = random_system(np.random.default_rng(45), server_count=20)
    random_placement, distinct, refusals = RandomFeasible("required_rate"), set(), []
    for rate in (0.05, 0.5, 5.0):
        at_rate = replace(system, arrival_rate_per_s=rate)
        for seed in range(20):
            try:
                placement = random_placement(at_rate, 1, np.random.default_rng(seed))
            except InfeasibleError as error:
                refusals.append(str(error))
                continue
            assert (1 / placement.reserved_chain_s(at_rate)).sum() >= at_rate.required_rate_per_s * (1 - 1e-12)
            distinct.add(tuple(placement.reserved_chain))
    assert len(distinct) > 10
    assert len(refusals) >= 20  # 20 servers cannot serve 5/s
    assert all("but the target load requires" in refusal for refusal in refusals)


def test_the_whole_model_is_placed_wherever_it_fits():
    """Check the capacities of "JFFC only" in the paper's Table I.

    They are 24 on a 40 GB server and 5 on a 20 GB server, 102 in all.
    """
    model = served_model(32, 0.4375, 0.0336)
    system = System(model, Servers([40.0] * 3 + [20.0] * 6 + [13.9], [1.0] * 10, [0.1] * 10), 0.1)
    placement = whole_model(system, 35)
    composition = gca(system, placement)
    assert placement.block_count.tolist() == [32] * 9 + [0]
    assert (placement.reserved_chain == -1).all()
    assert sorted(composition.capacity) == [5] * 6 + [24] * 3
    assert composition.total_capacity == 102
    exactly = replace(system, servers=Servers([0.3 * 3], [1.0], [0.1]), model=served_model(3, 0.3))
    assert whole_model(exactly, 1).block_count.tolist() == [3]  # 0.3 * 3 / 0.3 is below 3 in floating point
    with pytest.raises(InfeasibleError, match=r"they need 14 GB and the largest server has 13 GB"):
        whole_model(replace(system, servers=Servers([13.0], [1.0], [0.1])), 1)


def test_reserved_chains_are_numbered_without_gaps():
    with pytest.raises(InputError, match=re.escape("reserved_chain = [ 1 -1]: must number the chains 0, 1, ...")):
        Placement([0, 0], [1, 1], 1, [1, -1])
    assert Placement([0, 0], [1, 1]).reserved_chain.tolist() == [-1, -1]
    message = "reserved_chain = array of shape (1,): give one entry for each of 2 servers"
    with pytest.raises(InputError, match=re.escape(message)):
        Placement([0, 0], [1, 1], 1, [0]).check(System(served_model(2), Servers([2, 2], [1, 1], [1, 1]), 1))


def test_servers_of_a_reserved_chain_follow_each_other_by_their_last_block():
    """Check a last server with room for the whole model, from block 0 on."""
    system = System(served_model(3), Servers([3.3, 1.1], [9.0, 0.1], [0.1, 0.1]), 0.1)
    placement = GbpCr()(system, 1)
    server, start = placement.reserved_hops()
    assert placement.first_block.tolist() == [0, 0]
    assert (server.tolist(), start.tolist()) == ([1, 0], [0, 2])


class OneDraw:
    """The parts of a draw that the evaluator uses."""

    def __init__(self, system: System) -> None:
        self.system = system

    def streams(self) -> RandomStreams:
        return RandomStreams(seed=7)


def test_reservations_discards_placements_below_the_rate_and_finally_gives_up():
    rng = np.random.default_rng(46)
    servers = Servers([2.4] * 20, rng.uniform(0.1, 5, 20), rng.uniform(0.1, 1, 20))
    system, random_placement = System(served_model(6), servers, 1.0), RandomFeasible("required_rate")
    rates = [(1 / RandomFeasible()(system, 2, rng).reserved_chain_s(system)).sum() for _ in range(200)]
    between = replace(system, arrival_rate_per_s=0.7 * 2 * float(np.median(rates)))
    measured = ReservationsEvaluator(random_placement, 2, 50)(OneDraw(between), 0)
    counts, share = [measurement for measurement in measured if measurement.metric == "job_servers"], measured[-1]
    assert [count.at for count in counts] == list(range(50))
    assert all(count.value % 2 == 0 and count.value >= 2 for count in counts)
    assert abs(share.value - 0.5) < 4 * np.sqrt(0.25 / 100) + 4 * np.sqrt(0.25 / 200)
    greedy = ReservationsEvaluator(GbpCr("required_rate"), 2, 1)(OneDraw(between), 0)[0].value
    assert greedy <= min(count.value for count in counts)  # Theorem 2, because all servers have the same memory
    beyond = replace(system, arrival_rate_per_s=100.0)
    with pytest.raises(InfeasibleError, match=r"c = 2: 0 of 60 placements reach the required 142.857/s, but 3 are"):
        ReservationsEvaluator(random_placement, 2, 3)(OneDraw(beyond), 0)
