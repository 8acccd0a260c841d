"""Tests of thresholds: the exact theory against the full Markov chain, and the policy itself."""

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.thresholds import thresholds_dispatch
from evaluators.queueing import exact
from evaluators.simulation import simulate_layout
from system import InputError
from tests.support.oracles.instances import Queue, chains_of, poisson_jobs, random_queue
from tests.support.oracles.thresholds.chain import ThresholdChain

TWO_SPEEDS = Queue(2.625, np.array([1, 0.25]), np.array([7, 14]))  # a load of a quarter


def random_case(rng: np.random.Generator, most_states: float = 150) -> tuple[Queue, np.ndarray]:
    """Return a queue with its chains fastest first, and ascending thresholds."""
    queue = random_queue(rng, most_states, load=float(rng.uniform(0.05, 0.95)))
    order = np.argsort(-queue.service_rates)
    steps = rng.integers(0, 4, order.size)
    ordered = Queue(queue.arrival_rate, queue.service_rates[order], queue.capacities[order])
    return ordered, np.cumsum(steps) - steps[0]


def assert_equal_to_the_markov_chain(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        queue, thresholds = random_case(rng)
        solved, whole_chain = exact(*queue, thresholds), ThresholdChain(queue, thresholds)
        case = (queue, thresholds)
        assert solved.mean_response_s == pytest.approx(whole_chain.mean_response_s, rel=1e-9), case
        assert solved.chain_shares == pytest.approx(whole_chain.chain_shares, abs=1e-9), case
        assert solved.waiting_probability == pytest.approx(whole_chain.waiting_probability, abs=1e-9), case


def test_means_equal_those_of_the_markov_chain():
    assert_equal_to_the_markov_chain(seed=901, count=20)


@pytest.mark.slow
def test_means_equal_those_of_the_markov_chain_on_many_systems():
    assert_equal_to_the_markov_chain(seed=902, count=100)


def test_thresholds_of_zero_give_the_results_of_jffc_to_the_last_bit():
    rng = np.random.default_rng(903)
    for _ in range(10):
        queue, _ = random_case(rng, most_states=2000)
        jffc, zero = exact(*queue), exact(*queue, np.zeros(queue.capacities.size))
        assert (zero.mean_response_s, zero.waiting_probability) == (jffc.mean_response_s, jffc.waiting_probability)
        assert zero.chain_shares.tobytes() == jffc.chain_shares.tobytes()
        assert zero.percentile_s(0.95) == jffc.percentile_s(0.95)


def test_thresholds_of_zero_simulate_as_jffc_to_the_last_bit():
    chains = chains_of(np.random.default_rng(904))
    jobs = poisson_jobs(np.random.default_rng(905), 2000, 0.8 * chains.total_rate_per_s)
    zero = thresholds_dispatch(lambda chains: np.zeros(len(chains)))
    first, second = (simulate_layout(chains.under(rule), jobs).times.response_s for rule in (JFFC, zero))
    assert first.tobytes() == second.tobytes()


def test_results_are_in_the_order_of_the_input():
    queue, thresholds, order = Queue(2.0, np.array([1, 0.5, 0.2]), np.array([1, 2, 3])), np.array([0, 1, 4]), [2, 0, 1]
    solved = exact(*queue, thresholds)
    shuffled = exact(2.0, queue.service_rates[order], queue.capacities[order], thresholds[order])
    assert shuffled.mean_response_s == solved.mean_response_s
    assert (shuffled.chain_shares == solved.chain_shares[order]).all()


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ([0, -1, 2], r"thresholds\[1\] = -1"),
        ([0, 0.5, 2], r"thresholds\[1\] = 0.5: must be a whole number"),
        ([0, 2, 1], r"thresholds = \[0, 2, 1\]: must not be smaller for a slower chain than for a faster one$"),
        ([1, 2, 3], r"thresholds = \[1, 2, 3\]: must be 0 for the fastest chain, or some jobs never start$"),
        ([0, 1], r"thresholds = array of size 2: give 3, one per chain$"),
    ],
)
def test_invalid_thresholds_are_refused_in_one_sentence(thresholds, message):
    with pytest.raises(InputError, match=message):
        exact(1.0, [1, 0.5, 0.2], [1, 2, 3], thresholds)
