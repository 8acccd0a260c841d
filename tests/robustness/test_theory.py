"""The queueing formulas where rates are equal, loads are near 1, slots are many, and rates are decades apart.

Oracles are the full Markov chain, a plain sum in 50 digits, Erlang's formula, and a simulation.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, localcontext

import numpy as np
import pytest

from evaluators.queueing import exact, markov, theorem4
from evaluators.queueing.exact import USE_TOLERANCE
from evaluators.simulation import simulate
from planner.choice.search import plan
from planner.inventory.reading import read_inventory
from system.errors import AccuracyError, NotApplicableError
from system.limits import EXACT_SLOTS
from tests.support.oracles.instances import Queue, poisson_jobs
from tests.support.oracles.queueing import erlang_b

LOADS = (0.01, 0.3, 0.7, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9)


@contextmanager
def no_warnings() -> Iterator[None]:
    """Turn every warning of numpy into an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def queue_with_ties(rng: np.random.Generator) -> Queue:
    """Return up to five chains in random order with at most two rates."""
    count = int(rng.integers(2, 6))
    rates = rng.choice(10 ** rng.uniform(-2, 0, 2), count)
    capacities = rng.integers(1, 4, count)
    return Queue(float(rng.uniform(0.05, 0.99)) * float(rates @ capacities), rates, capacities)


def test_shares_of_equal_chains_are_those_of_the_markov_chain():
    rng, tied = np.random.default_rng(501), 0
    for _ in range(100):
        queue = queue_with_ties(rng)
        solved, whole_chain = exact(*queue), markov(*queue)
        first_token_s = rng.uniform(0.1, 1, queue.capacities.size) / queue.service_rates
        assert solved.chain_shares == pytest.approx(whole_chain.chain_shares, rel=1e-8, abs=1e-12), queue
        busy = queue.arrival_rate * whole_chain.chain_shares / queue.service_rates
        assert solved.utilisation == pytest.approx(busy / queue.capacities, rel=1e-8, abs=1e-12)
        first_s = solved.mean_waiting_s + float(whole_chain.chain_shares @ first_token_s)
        assert solved.mean_first_token_s(first_token_s) == pytest.approx(first_s, rel=1e-8)
        tied += np.unique(queue.service_rates).size < queue.service_rates.size
    assert tied > 80


def test_the_first_of_two_equal_chains_serves_what_it_does_not_block():
    """Compare with Erlang B of the first chain alone: there is almost no queue."""
    shares = exact(4, [1, 1], [10, 10]).chain_shares
    assert shares == pytest.approx([1 - erlang_b(4, 10), erlang_b(4, 10)], rel=1e-6)


def test_shares_of_equal_chains_are_those_of_a_simulation():
    """Compare within four standard errors of 20 replications."""
    queue = Queue(5.5, np.array([1.0, 1.0, 0.5, 0.5]), np.array([2, 3, 2, 2]))
    rng, shares = np.random.default_rng(502), []
    for _ in range(20):
        run = simulate(poisson_jobs(rng, 20_000, queue.arrival_rate), 1 / queue.service_rates, queue.capacities)
        shares.append(np.bincount(run.chain[2000:], minlength=4) / 18_000)
    error = np.std(shares, axis=0, ddof=1) / np.sqrt(20)
    assert np.all(np.abs(np.mean(shares, axis=0) - exact(*queue).chain_shares) < 4 * error)


INVENTORY = """
model: {preset: llama2_7b, weights: nf4}
cache_tokens: 2048
servers:
  - {name: fast, count: 3, gpu: rtx_3090, rtt_ms: 5}
  - {name: slow, gpu: v100_32gb, rtt_ms: 5}
rtt_between_servers_ms: 5
workload: {rate_per_s: 32, input_tokens: 500, output_tokens: 100}
goal: {minimise: mean}
"""


def test_a_plan_gives_each_of_several_equal_servers_its_own_share(tmp_path):
    """Compare the servers of a `count:` with a simulation of the plan's chains."""
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    best = plan(read_inventory(path))
    composition, prediction = best.composition, best.prediction
    assert prediction.method == "exact"
    assert np.unique(composition.mean_service_s).size < len(composition)
    jobs = poisson_jobs(np.random.default_rng(507), 200_000, composition.system.arrival_rate_per_s)
    run = simulate(jobs, composition.mean_service_s, composition.capacity)
    share = np.bincount(run.chain[20_000:], minlength=len(composition)) / 180_000
    assert prediction.chain_shares == pytest.approx(share, abs=0.01)
    assert np.all(np.diff(prediction.chain_shares[1:]) < -0.05)  # three equal servers


def test_dividing_a_chain_moves_no_other_share():
    whole, parts = exact(6, [2, 1, 0.5], [2, 3, 4]), exact(6, [2, 1, 1, 0.5], [2, 1, 2, 4])
    served = [parts.chain_shares[0], parts.chain_shares[1:3].sum(), parts.chain_shares[3]]
    assert served == pytest.approx(whole.chain_shares, rel=1e-12)
    assert parts.utilisation[1] > whole.utilisation[1] > parts.utilisation[2]


def birth_death_decimal_s(queue: Queue, fastest_first: bool) -> float:
    """Return the mean response time of a birth-death process in 50 digits.

    The weights of all states are added as they are.
    """
    with localcontext() as context:
        context.prec = 50
        rate_per_s = Decimal(queue.arrival_rate)
        slots = sorted(np.repeat(queue.service_rates, queue.capacities).tolist(), reverse=fastest_first)
        weight, total, jobs, served_per_s = Decimal(1), Decimal(1), Decimal(0), Decimal(0)
        for n, slot_per_s in enumerate(slots, start=1):
            served_per_s += Decimal(slot_per_s)
            weight *= rate_per_s / served_per_s
            total, jobs = total + weight, jobs + n * weight
        load = rate_per_s / served_per_s
        queued = weight * load / (1 - load)
        jobs += queued * (len(slots) + 1 / (1 - load))
        return float(jobs / (total + queued) / rate_per_s)


def wide_queue(rng: np.random.Generator, most_slots: float) -> Queue:
    """Return up to eight chains over up to twelve decades, some equal."""
    count, decades = int(rng.integers(1, 9)), rng.choice([0, 1, 3, 6, 12])
    rates = 10 ** (rng.uniform(-decades, 0, count) + rng.uniform(-6, 6))
    rates = np.where(rng.random(count) < 0.3, rates[0], rates)
    capacities = np.ceil(10 ** rng.uniform(0, np.log10(most_slots / count), count)).astype(int)
    return Queue(float(rng.choice(LOADS)) * float(rates @ capacities), rates, capacities)


def test_the_bounds_equal_a_sum_in_fifty_digits():
    rng = np.random.default_rng(503)
    for _ in range(100):
        queue = wide_queue(rng, 1000)
        expected = birth_death_decimal_s(queue, True), birth_death_decimal_s(queue, False)
        assert theorem4(*queue) == pytest.approx(expected, rel=1e-11), queue


def require_consistent(queue: Queue) -> bool:
    """Assert what holds for every queue; return whether there is an exact answer."""
    bounds = theorem4(*queue)
    assert 0 < bounds.lower_s <= bounds.upper_s < np.inf
    try:
        solved = exact(*queue)
    except AccuracyError:
        return False
    shares, offered = solved.chain_shares, queue.arrival_rate / (queue.service_rates * queue.capacities)
    assert bounds.lower_s <= solved.mean_response_s <= bounds.upper_s
    assert shares.sum() == pytest.approx(1, rel=1e-9)
    assert shares.min() >= 0
    assert solved.utilisation == pytest.approx(offered * shares, rel=1e-12)
    assert solved.utilisation.max() <= 1 + USE_TOLERANCE
    assert 0 <= solved.waiting_probability <= 1
    assert solved.mean_waiting_s + solved.mean_service_s == pytest.approx(solved.mean_response_s, rel=2e-9)
    return True


def test_results_are_in_order_over_twelve_decades_and_up_to_load_1():
    rng, queues = np.random.default_rng(504), 300
    with no_warnings():
        answered = sum(require_consistent(wide_queue(rng, 2000)) for _ in range(queues))
    assert answered > 0.9 * queues


@pytest.mark.slow
def test_results_are_in_order_for_a_million_slots():
    rng = np.random.default_rng(505)
    with no_warnings():
        answered = [require_consistent(wide_queue(rng, 1e6)) for _ in range(20)]
    assert np.mean(answered) > 0.75  # the others span more decades than the exact theory answers


@pytest.mark.parametrize("load", LOADS)
def test_a_million_slots_of_one_rate_keep_to_order_and_to_little(load):
    """Compare with the service time, alone and with the wait of one who waits."""
    slots = 1_000_000
    queue = Queue(load * slots, np.array([1.0]), np.array([slots]))
    bounds = theorem4(*queue)
    assert bounds.lower_s == pytest.approx(bounds.upper_s, rel=1e-12)
    spare = slots - load * slots
    assert 1 - 1e-12 <= bounds.lower_s <= 1 + 1 / spare


@pytest.mark.parametrize("spare", [1e-3, 1e-9, 1e-12, 1e-15])
def test_one_slot_waits_for_the_inverse_of_the_spare_rate(spare):
    rate = 1 - spare
    expected = pytest.approx(1 / (1 - rate), rel=1e-9)
    assert (*theorem4(rate, [1], [1]), exact(rate, [1], [1]).mean_response_s) == (expected,) * 3


def test_jobs_and_waiting_grow_with_the_load():
    """Compare numbers of jobs.

    Mean times may fall, where a slow chain is full and serves a smaller share.
    """
    rng = np.random.default_rng(506)
    for _ in range(20):
        _, rates, capacities = wide_queue(rng, 200)
        if rates.max() / rates.min() > 1e6:
            continue
        total = float(rates @ capacities)
        solved = [exact(load * total, rates, capacities) for load in np.linspace(0.05, 0.999, 12)]
        assert np.all(np.diff([one.mean_response_s * one.arrival_rate_per_s for one in solved]) > 0)
        assert np.all(np.diff([one.waiting_probability for one in solved]) >= 0)


@pytest.mark.parametrize("q", [1e-300, 1e-17, 1e-12, 0.5, 1 - 1e-15])
def test_percentiles_of_every_share_are_numbers(q):
    solved = exact(8, [2], [5])
    with no_warnings():
        for value in (solved.percentile_s(q), solved.service_percentile_s(q), solved.waiting_percentile_s(q)):
            assert 0 <= value < np.inf
        assert solved.tail(1e100) == solved.service_tail(1e100) == solved.waiting_tail(1e100) == 0


def test_jobs_that_never_reach_many_slots_do_not_need_them():
    """Answer for a billion slots, of which jobs reach some hundred."""
    solved = exact(10, [1.0], [10**9])
    assert (solved.mean_response_s, solved.waiting_probability) == (pytest.approx(1), 0)
    assert theorem4(10, [1.0], [10**9]) == pytest.approx((1, 1))


@pytest.mark.parametrize("solve", [exact, markov], ids=["exact", "markov"])
def test_rates_too_far_apart_for_the_precision_of_numbers_are_refused(solve):
    """Check rates of which sums lose the slower."""
    for capacities in ([1, 2], [1, 1]):
        with no_warnings(), pytest.raises(NotApplicableError, match=r"too far apart|simulate this system"):
            solve(1, [1e100, 1e-100], capacities)


def test_answers_for_rates_far_apart_are_those_of_the_markov_chain():
    rng, answered = np.random.default_rng(508), 0
    for decades in range(8, 20):
        for _ in range(20):
            rates = np.array([1.0, 10.0**-decades, 10.0 ** -rng.uniform(0, decades)])
            capacities = rng.integers(1, 4, 3)
            queue = Queue(float(rng.choice([0.05, 0.5, 0.9])) * float(rates @ capacities), rates, capacities)
            try:
                solved, whole_chain = exact(*queue), markov(*queue)
            except NotApplicableError:
                continue
            answered += 1
            busy = queue.arrival_rate * whole_chain.chain_shares / (rates * capacities)
            assert solved.utilisation == pytest.approx(busy, abs=2 * USE_TOLERANCE), queue
            assert solved.mean_response_s == pytest.approx(whole_chain.mean_response_s, rel=2 * USE_TOLERANCE)
    assert answered > 20


def test_small_numbers_of_numpy_are_numbers_as_others():
    with no_warnings():
        assert exact(np.float32(1), [np.float32(2)], [np.int8(1)]).mean_response_s == 1


def test_too_many_slots_for_the_exact_theory_are_refused():
    slots = 2 * EXACT_SLOTS
    with pytest.raises(NotApplicableError, match=r"^exact response time: jobs reach more than .* simulate this system"):
        exact(0.9 * slots, [1.0], [slots])
