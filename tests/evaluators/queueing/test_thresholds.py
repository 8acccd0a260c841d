"""Tests of thresholds: the exact theory against the full Markov chain and simulations, and the best thresholds."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.thresholds import is_thresholds, thresholds, thresholds_dispatch
from evaluators.queueing import exact
from evaluators.queueing.steady_state import require_jffc, require_theory, steady_state
from evaluators.queueing.thresholds import best_thresholds, thresholds_of
from evaluators.simulation import simulate, simulate_layout
from system import InputError, NotApplicableError, UnstableError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from tests.support.oracles.instances import Queue, chains_of, poisson_jobs, random_queue
from tests.support.oracles.thresholds.chain import ThresholdChain
from tests.support.oracles.thresholds.optimal import optimal_response_s
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload

THREE_CHAINS = Queue(1.1, np.array([1, 0.5, 0.2]), np.array([1, 2, 2]))


def random_case(rng: np.random.Generator, most_states: float = 150) -> tuple[Queue, np.ndarray]:
    """Return a queue, fastest chain first, and ascending thresholds."""
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


def test_tails_equal_those_of_the_whole_chain_with_a_job_in_it():
    queues = (THREE_CHAINS, Queue(0.7, np.array([1, 0.1]), np.array([1, 3])))
    for queue, settings in zip(queues, (np.array([0, 1, 3]), np.array([0, 4])), strict=True):
        solved, whole_chain = exact(*queue, settings), ThresholdChain(queue, settings)
        for time_s in (0.3, 3.0, 20.0):
            assert solved.tail(time_s) == pytest.approx(whole_chain.response_tail(time_s), abs=1e-12)


def test_tails_add_up_to_the_means():
    rng = np.random.default_rng(906)
    for _ in range(8):
        queue, settings = random_case(rng, most_states=60)
        if settings.size == 1:
            continue
        solved = exact(*queue, settings)
        first_s, horizon_s = 0.3 / queue.service_rates, 60 / min(queue.service_rates.min(), solved.spare_rate_per_s)
        for tail, mean_s in (
            (solved.tail, solved.mean_response_s),
            (solved.waiting_tail, solved.mean_waiting_s),
            (partial(solved.first_token_tail, first_token_s=first_s), solved.mean_first_token_s(first_s)),
        ):
            points = np.concatenate([[0], np.geomspace(1e-3, 1, 12) * horizon_s])
            area_s = sum(quad(tail, *ends, epsabs=1e-12 * horizon_s)[0] for ends in pairwise(points))
            assert area_s == pytest.approx(mean_s, rel=1e-7)


def test_percentiles_are_those_of_the_tails():
    solved = exact(*THREE_CHAINS, [0, 1, 3])
    for q in (0.1, 0.5, 0.95, 0.999):
        assert solved.tail(solved.percentile_s(q)) == pytest.approx(1 - q, rel=1e-9)
    assert solved.waiting_percentile_s(1 - solved.waiting_probability) == 0
    assert solved.waiting_tail(solved.waiting_percentile_s(0.99)) == pytest.approx(0.01, rel=1e-9)


def test_percentiles_of_systems_with_too_many_states_are_refused():
    solved = exact(20.0, [1, 0.5, 0.3, 0.2], [12, 12, 18, 18], [0, 1, 2, 5])
    assert solved.waiting_tail(0) == solved.waiting_probability
    with pytest.raises(
        NotApplicableError,
        match=r"at most 30,000 states, and this has more; ask for means only \(evaluator.quantiles=\[",
    ):
        solved.percentile_s(0.95)


def test_percentiles_at_loads_next_to_one_are_refused():
    with pytest.raises(
        NotApplicableError, match=r"percentiles take more than 200,000 events at this load; ask for means"
    ):
        exact(1.99999, [1, 0.5], [1, 2], [0, 1]).percentile_s(0.95)


@compiled(DISPATCH)
def one_too_early(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    for k in range(capacity.size):
        if busy[k] < capacity[k]:
            return k if waiting >= settings[k] else -1
    return -1


def scores(policy: object) -> np.ndarray:
    """Return Student's t of simulated numbers.

    Their expectations are exact: the mean, the share beyond the 95th percentile, the share that waits, and the share on
    the fastest chain.
    """
    settings, runs = np.array([0, 1, 3]), []
    solved = exact(*THREE_CHAINS, settings)
    expected = solved.mean_response_s, 0.05, solved.waiting_probability, solved.chain_shares[0]
    rule, p95_s = Dispatch(policy, work_conserving=False, settings=settings), solved.percentile_s(0.95)
    for seed in range(20):
        jobs = poisson_jobs(np.random.default_rng([907, seed]), 22_000, THREE_CHAINS.arrival_rate)
        times = simulate(jobs, 1 / THREE_CHAINS.service_rates, THREE_CHAINS.capacities, rule).after_warm_up()
        response_s = times.response_s
        runs.append(
            (response_s.mean(), (response_s > p95_s).mean(), (times.waiting_s > 0).mean(), (times.chain == 0).mean())
        )
    sample = np.array(runs)
    return (sample.mean(axis=0) - expected) / (sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))


def test_simulations_agree_with_the_theory_and_a_threshold_off_by_one_does_not():
    assert np.abs(scores(thresholds)).max() < 4
    assert np.abs(scores(one_too_early)).max() > 20


def small_queues(seed: int, count: int) -> Iterator[Queue]:
    """Yield queues of two or three chains, fastest first."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chain_count = int(rng.integers(2, 4))
        rates, capacities = np.sort(10 ** rng.uniform(-1.5, 0, chain_count))[::-1], rng.integers(1, 4, chain_count)
        yield Queue(float(rng.uniform(0.1, 0.85) * (rates @ capacities)), rates, capacities)


def assert_best(queues: Iterator[Queue], most_above: float, least_equal: float) -> None:
    """Check the best thresholds against all others.

    No policy is faster than by `most_above`, and at least the share `least_equal` is optimal to 1e-6.
    """
    above = []
    for queue in queues:
        best = best_thresholds(*queue)
        mean_s = exact(*queue, best).mean_response_s
        others = combinations_with_replacement(range(int(best.max()) + 3), best.size - 1)
        assert mean_s <= min(exact(*queue, [0, *further]).mean_response_s for further in others) * (1 + 1e-9), queue
        above.append(mean_s / optimal_response_s(queue) - 1)
        assert above[-1] >= -1e-9, queue
    assert max(above) <= most_above
    assert np.mean(np.array(above) <= 1e-6) >= least_equal


def test_best_thresholds_are_the_best_of_all_and_near_the_optimal_policy():
    assert_best(small_queues(seed=908, count=8), most_above=1e-3, least_equal=0.75)


@pytest.mark.slow
def test_best_thresholds_are_the_best_of_all_and_near_the_optimal_policy_on_many_systems():
    assert_best(small_queues(seed=909, count=50), most_above=1e-3, least_equal=0.9)


@pytest.mark.parametrize(
    ("service_rates", "capacities", "gains"),
    [([1, 0.25], [7, 14], (0.06, 0.16, 0.095, 0.028)), ([1, 0.1], [2, 4], (0.46, 0.45, 0.24, 0.06))],
)
def test_gains_over_jffc_are_those_of_the_study(service_rates, capacities, gains):
    for load, gain in zip((0.3, 0.5, 0.7, 0.9), gains, strict=True):
        queue = load * float(np.dot(service_rates, capacities)), service_rates, capacities
        least_s = exact(*queue, best_thresholds(*queue)).mean_response_s
        assert 1 - least_s / exact(*queue).mean_response_s == pytest.approx(gain, abs=0.006)


def test_best_thresholds_are_in_the_order_of_the_input_and_zero_for_one_chain():
    assert (
        best_thresholds(5.25, [0.25, 1], [14, 7]).tolist() == best_thresholds(5.25, [1, 0.25], [7, 14])[::-1].tolist()
    )
    assert best_thresholds(5.0, [1], [7]).tolist() == [0]
    with pytest.raises(UnstableError, match="must be below the total service rate"):
        best_thresholds(11.0, [1, 0.25], [7, 14])


def test_layouts_under_thresholds_have_the_settings_and_the_theory_of_their_chains():
    chains = chains_of(np.random.default_rng(911))
    rule, workload = thresholds_dispatch(thresholds_of), SyntheticWorkload(Poisson(), 100, 2, 2)
    layout = chains.at_rate(0.6 * chains.total_rate_per_s).under(rule)
    queue = layout.system.arrival_rate_per_s, layout.service_rate_per_s, layout.capacity
    best = best_thresholds(*queue)
    assert is_thresholds(rule)
    assert rule.settings_for(layout).tolist() == best.tolist()
    assert steady_state(layout).mean_s("response") == exact(*queue, best).mean_response_s
    require_theory("exact", layout, workload)
    with pytest.raises(
        NotApplicableError, match=r"evaluator = markov: .* exponential sizes and JFFC after every event"
    ):
        require_jffc("markov", layout, workload)
    overloaded = layout.at_rate(2 * chains.total_rate_per_s)
    assert rule.settings_for(overloaded).tolist() == [0] * len(chains)
    assert not is_thresholds(replace(rule, looks="arrivals"))
    assert not is_thresholds(JFFC)
