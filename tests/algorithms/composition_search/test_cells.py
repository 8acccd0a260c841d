"""Cells: slots are valued by what they are worth to the whole, and only improvements of the whole are kept."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.composition_search import search
from algorithms.composition_search.annealing import evaluate
from algorithms.composition_search.cells import Cells, slot_values
from algorithms.composition_search.starts import reserved_state
from algorithms.composition_search.state import problem_of, work_for
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from algorithms.proposed import Proposed
from algorithms.tuning import BestCapacity
from evaluators.points.objectives.composition import ExactMean
from evaluators.points.theory import exact_mean_s
from evaluators.queueing.prefixes.prefix_means import prefix_means
from system import Servers, System
from tests.support.oracles.instances import served_model


def large_system(load: float = 0.8) -> System:
    """Return 120 servers of three kinds at a load."""
    rng = np.random.default_rng(1)
    kind = rng.integers(3, size=120)
    memory_gb, block_s = np.array([3.0, 5.0, 9.0])[kind], np.array([0.3, 0.2, 0.1])[kind]
    servers = Servers(memory_gb, rng.uniform(0.05, 0.5, 120), block_s)
    system = System(served_model(12, 1.0, 0.15), servers, 1.0)
    return replace(system, arrival_rate_per_s=load * gca(system, GbpCr()(system, 3)).total_rate_per_s)


def test_the_value_of_a_cell_is_the_sum_of_its_slots():
    """Check values of 8, 6 and 4 at 1, 2 and 4 s.

    A slot of 2 s is worth 6, and one of sqrt(8) s, half way on the logarithmic scale, is worth 5.
    """
    settings = np.array([100.0, *np.log([1.0, 4.0]), 8.0, 6.0, 4.0])
    value = np.empty(2)
    slot_values(1.0, np.array([2.0, np.sqrt(8)]), np.array([1, 2]), 2, settings, np.empty((1, 1)), value)
    assert value == pytest.approx([200 - 6, 200 - 6 - 2 * 5])


def test_every_state_that_cells_yield_is_better_and_has_the_stated_value():
    system = large_system()
    problem, state = problem_of(system), reserved_state(system, 3)
    work = work_for(problem, np.empty(0))
    before = evaluate(prefix_means, problem, state, work, False)
    steps = 0
    for whole in Cells(prefix_means, problem, work, lambda _: None).improved(state, 40_000, np.random.default_rng(2)):
        assert whole.value < before
        assert sorted(np.concatenate(whole.members).tolist()) == list(range(120))
        again = evaluate(prefix_means, problem, whole.state, work_for(problem, np.empty(0)), True)
        assert again == whole.value
        before, steps = whole.value, steps + 1
    assert steps >= 3


def test_many_servers_are_searched_by_cells():
    system = large_system()
    tuned = Proposed(GbpCr(), gca, BestCapacity(exact_mean_s), JFFC).compose(system, np.random.default_rng(1))
    best = search(system, ExactMean(), evaluations=60_000)
    assert best.value < 0.99 * exact_mean_s(tuned)
