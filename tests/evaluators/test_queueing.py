"""Tests of the queueing theory.

It is compared with Erlang's formulas, the full Markov chain, an exact lattice recursion, a table, and itself.
"""

import math
import re

import numpy as np
import pytest
from scipy.integrate import quad

from evaluators.queueing import exact, markov, theorem4
from system import InputError, UnstableError
from tests.support.oracles.instances import Queue, random_queue
from tests.support.oracles.queueing import erlang_b, erlang_c, jffc_mean_response_s, multi_server_response_s

# Each entry has λ, μ, c; the bounds and, between them, the exact mean; P(wait); the shares of the chains; the 50th,
# 95th and 99th percentile. The numbers come from a sparse solve of the full Markov chain and from simulations of 2e7
# jobs, both independent of this code.
TABLE = [
    (
        Queue(12.74, np.array([1, 0.8, 0.5, 0.3]), np.array([7, 7, 7, 7])),
        (1.194967384, 1.327284256, 1.775076524),
        0.024556878,
        (0.48836403, 0.32706437, 0.14223489, 0.04233672),
        (0.8554981, 4.1419697, 7.2442430),
    ),
    (
        Queue(5.25, np.array([1, 0.25]), np.array([7, 14])),
        (1.089208641, 1.408835733, 2.941056295),
        0.000588495,
        (0.86375879, 0.13624121),
        (0.7992904, 4.6964048, 10.4575948),
    ),
    (
        Queue(8, np.array([2]), np.array([5])),
        (0.777056277, 0.777056277, 0.777056277),
        0.554112554,
        (1.0,),
        (0.6021975, 2.0987313, 3.0398313),
    ),
    (
        Queue(0.8, 1 / np.array([9.95, 12.3, 15.1]), np.array([7, 2, 5])),
        (10.856514541, 11.359152078, 12.874110179),
        0.097861283,
        (0.70621476, 0.12506851, 0.16871673),
        (7.8468335, 34.0538963, 53.5623681),
    ),
    (
        Queue(0.9, np.array([1, 0.5]), np.array([1, 1])),
        (1.923076923, 2.058823529, 2.272727273),
        0.444705882,
        (0.68235294, 0.31764706),
        (1.4459480, 6.1005137, 9.3236070),
    ),
]


@pytest.mark.parametrize(("queue", "means_s", "waits", "shares", "percentiles_s"), TABLE)
def test_results_equal_those_of_the_table(queue, means_s, waits, shares, percentiles_s):
    solved, bounds = exact(*queue), theorem4(*queue)
    assert (bounds.lower_s, solved.mean_response_s, bounds.upper_s) == pytest.approx(means_s, rel=1e-8)
    assert solved.waiting_probability == pytest.approx(waits, rel=1e-8, abs=5.1e-10)  # nine decimals are given
    assert solved.chain_shares == pytest.approx(shares, abs=1e-8)  # eight decimals
    assert [solved.percentile_s(q) for q in (0.5, 0.95, 0.99)] == pytest.approx(percentiles_s, rel=1e-6)


@pytest.mark.parametrize("load", [0.05, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("slots", [1, 2, 7, 50, 140])
def test_one_chain_agrees_with_erlang_b_and_c(slots, load):
    service_rate = 0.3
    arrival_rate = load * slots * service_rate
    solved = exact(arrival_rate, [service_rate], [slots])
    bounds = theorem4(arrival_rate, [service_rate], [slots])
    mean_s = multi_server_response_s(arrival_rate, service_rate, slots)
    assert solved.mean_response_s == pytest.approx(mean_s, rel=1e-10)
    assert (bounds.lower_s, bounds.upper_s) == pytest.approx((mean_s, mean_s), rel=1e-10)
    assert solved.waiting_probability == pytest.approx(erlang_c(load * slots, slots), rel=1e-9)
    blocked = solved.waiting_probability * (1 - load) / (1 - solved.waiting_probability * load)
    assert blocked == pytest.approx(erlang_b(load * slots, slots), rel=1e-8)


@pytest.mark.parametrize("capacities", [[12], [5, 7], [1] * 12, [3, 1, 2, 6], [4, 4, 4]])
def test_equal_chains_behave_as_one_however_capacity_is_divided(capacities):
    solved = exact(9.6, [1.0] * len(capacities), capacities)
    assert solved.mean_response_s == pytest.approx(multi_server_response_s(9.6, 1.0, 12), rel=1e-11)
    assert solved.chain_shares.sum() == pytest.approx(1, rel=1e-11)
    assert solved.percentile_s(0.95) == pytest.approx(exact(9.6, [1.0], [12]).percentile_s(0.95), rel=1e-11)


def test_exact_agrees_with_the_markov_chain_on_small_systems():
    rng = np.random.default_rng(41)
    for _ in range(200):
        queue = random_queue(rng, most_states=2000)
        solved, whole_chain = exact(*queue), markov(*queue)
        assert solved.mean_response_s == pytest.approx(whole_chain.mean_response_s, rel=1e-9), queue
        assert solved.chain_shares == pytest.approx(whole_chain.chain_shares, rel=1e-8, abs=1e-12), queue
        assert solved.waiting_probability == pytest.approx(whole_chain.waiting_probability, rel=1e-7, abs=1e-14), queue


@pytest.mark.parametrize("slow_rate", [0.001, 0.3, 0.999])
@pytest.mark.parametrize(("capacities", "load"), [((125, 125), 0.9), ((30, 60), 0.7), ((10, 240), 0.98)])
def test_exact_agrees_with_the_markov_chain_for_two_rates_and_many_slots(capacities, load, slow_rate):
    rates = np.array([1.0, slow_rate])
    queue = Queue(load * float(rates @ capacities), rates, np.array(capacities))
    solved, whole_chain = exact(*queue), markov(*queue)
    assert solved.mean_response_s == pytest.approx(whole_chain.mean_response_s, rel=1e-9)
    assert solved.waiting_probability == pytest.approx(whole_chain.waiting_probability, rel=1e-7, abs=1e-14)


def test_exact_agrees_with_the_lattice_recursion_on_larger_systems():
    rng = np.random.default_rng(42)
    compared = 0
    while compared < 200:
        queue = random_queue(rng, most_states=60_000)
        if np.prod(queue.capacities + 1) > 2000:
            assert exact(*queue).mean_response_s == pytest.approx(jffc_mean_response_s(*queue), rel=1e-9), queue
            compared += 1


def test_theorem_4_brackets_the_exact_mean():
    rng = np.random.default_rng(43)
    for _ in range(500):
        queue = random_queue(rng, most_states=1e6)
        bounds, mean_s = theorem4(*queue), exact(*queue).mean_response_s
        assert bounds.lower_s <= mean_s * (1 + 1e-9), queue
        assert mean_s <= bounds.upper_s * (1 + 1e-9), queue


def birth_death_mean_response_s(arrival_rate: float, slot_rates: list[float]) -> float:
    """Return the mean response time if the first n slots serve n jobs.

    States are added one by one until their weight is below 1e-18.
    """
    weight, total, jobs, n = 1.0, 1.0, 0.0, 0
    while weight > 1e-18 * total:
        n += 1
        weight *= arrival_rate / sum(slot_rates[:n])
        total, jobs = total + weight, jobs + n * weight
    return jobs / total / arrival_rate


def test_the_bounds_are_the_birth_death_processes_of_theorem_4():
    rng = np.random.default_rng(44)
    for _ in range(30):
        queue = random_queue(rng, most_states=3000, load=float(rng.uniform(0.1, 0.9)))
        slots = np.sort(np.repeat(queue.service_rates, queue.capacities)).tolist()
        bounds = theorem4(*queue)
        assert bounds.lower_s == pytest.approx(birth_death_mean_response_s(queue.arrival_rate, slots[::-1]), rel=1e-10)
        assert bounds.upper_s == pytest.approx(birth_death_mean_response_s(queue.arrival_rate, slots), rel=1e-10)


def test_results_of_one_system_are_consistent():
    rng = np.random.default_rng(45)
    for _ in range(100):
        arrival_rate, rates, capacities = queue = random_queue(rng, most_states=1e6)
        solved = exact(*queue)
        assert solved.chain_shares.sum() == pytest.approx(1, rel=1e-9)
        assert 0 < solved.waiting_probability < 1 or solved.waiting_probability == pytest.approx(0, abs=1e-12)
        # By Little's law the busy slots of a chain, and of all chains, are rate x mean service time.
        busy = solved.utilisation * capacities
        assert busy == pytest.approx(arrival_rate * solved.chain_shares / rates, rel=1e-9)
        assert busy.sum() == pytest.approx(arrival_rate * solved.mean_service_s, rel=1e-7)
        assert (solved.utilisation <= 1 + 1e-9).all()
        assert solved.mean_waiting_s + solved.mean_service_s == pytest.approx(solved.mean_response_s, rel=1e-12)


def test_the_percentile_is_the_inverse_of_the_tail():
    rng = np.random.default_rng(46)
    for _ in range(50):
        solved = exact(*random_queue(rng, most_states=1e5))
        for q in (0.001, 0.1, 0.5, 0.95, 0.999):
            assert solved.tail(solved.percentile_s(q)) == pytest.approx(1 - q, rel=1e-9)
        assert solved.tail(0.0) == pytest.approx(1, rel=1e-9)


def test_the_mean_is_the_area_under_the_tail():
    rng = np.random.default_rng(47)
    for _ in range(30):
        solved = exact(*random_queue(rng, most_states=1e4, decades=1))
        end_s = solved.percentile_s(1 - 1e-10)
        cuts = [solved.percentile_s(q) for q in (0.5, 0.9, 0.99, 0.999)]
        area, _ = quad(solved.tail, 0, end_s, points=cuts, limit=500)
        assert area == pytest.approx(solved.mean_response_s, rel=1e-7)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-9, -1e-9, 1e-6, 1e-3, -0.5])
def test_the_tail_is_a_convolution_also_for_nearly_equal_rates(gap):
    slots, service_rate = 5, 2.0
    waiting_rate = service_rate + gap  # ν - λ
    arrival_rate = slots * service_rate - waiting_rate
    solved = exact(arrival_rate, [service_rate], [slots])
    waits = erlang_c(arrival_rate / service_rate, slots)
    for t in (0.01, 0.3, 1.0, 4.0):

        def waited(w: float, t: float = t) -> float:
            return waiting_rate * math.exp(-waiting_rate * w - service_rate * (t - w))

        after_waiting = math.exp(-waiting_rate * t) + quad(waited, 0, t, epsabs=1e-14)[0]
        expected = (1 - waits) * math.exp(-service_rate * t) + waits * after_waiting
        assert solved.tail(t) == pytest.approx(expected, rel=1e-10)


def test_waiting_times_are_exponential_for_jobs_that_wait():
    solved = exact(9.6, [1.0], [12])
    waits = erlang_c(9.6, 12)
    assert solved.waiting_percentile_s(1 - waits - 1e-6) == 0
    assert solved.waiting_percentile_s(1 - waits / math.e) == pytest.approx(1 / (12 - 9.6))
    assert solved.mean_waiting_s == pytest.approx(waits / (12 - 9.6))
    for time_s in (0.0, 0.1, 2.0):
        assert solved.waiting_tail(time_s) == pytest.approx(waits * math.exp(-(12 - 9.6) * time_s), rel=1e-9)
    with pytest.raises(InputError, match=r"^time_s = -1: must be a finite number, 0 or above"):
        solved.waiting_tail(-1)


def test_time_to_first_token_is_the_wait_and_the_prefill_on_the_chain():
    arrival_rate, rates, capacities = TABLE[0][0]
    solved = exact(arrival_rate, rates, capacities)
    prefill_s = 0.3 / rates
    assert solved.mean_first_token_s(prefill_s) == pytest.approx(
        solved.mean_waiting_s + 0.3 * solved.mean_service_s, rel=1e-9
    )
    # If the prefill is the whole service, the time to the first token is the response time.
    assert solved.first_token_percentile_s(0.95, 1 / rates) == pytest.approx(solved.percentile_s(0.95), rel=1e-10)
    assert solved.first_token_percentile_s(0.95, prefill_s) < solved.percentile_s(0.95)


def test_the_order_of_the_chains_does_not_matter():
    rng = np.random.default_rng(48)
    for _ in range(50):
        arrival_rate, rates, capacities = random_queue(rng, most_states=2000)
        order = rng.permutation(rates.size)
        solved, shuffled = exact(arrival_rate, rates, capacities), exact(arrival_rate, rates[order], capacities[order])
        assert shuffled.mean_response_s == solved.mean_response_s
        assert shuffled.chain_shares == pytest.approx(solved.chain_shares[order], rel=1e-14)
        assert shuffled.percentile_s(0.9) == pytest.approx(solved.percentile_s(0.9), rel=1e-12)
        assert markov(arrival_rate, rates[order], capacities[order]).chain_shares == pytest.approx(
            solved.chain_shares[order], rel=1e-7, abs=1e-12
        )


def test_times_scale_with_the_unit_of_time():
    for queue, *_ in TABLE:
        hours = exact(queue.arrival_rate * 3600, queue.service_rates * 3600, queue.capacities)
        assert hours.mean_response_s * 3600 == pytest.approx(exact(*queue).mean_response_s, rel=1e-11)


def test_exact_settles_for_a_thousand_slots_of_forty_rates():
    rates = np.logspace(0, -3, 40)
    capacities = np.full(40, 25)
    for load in (0.3, 0.9, 0.99):
        arrival_rate = load * float(rates @ capacities)
        solved, bounds = exact(arrival_rate, rates, capacities), theorem4(arrival_rate, rates, capacities)
        assert solved.relative_error < 1e-9
        assert bounds.lower_s <= solved.mean_response_s <= bounds.upper_s
        assert solved.chain_shares.sum() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("formula", [exact, markov, theorem4])
@pytest.mark.parametrize(
    ("queue", "error", "message"),
    [
        ((2.0, [1.0], [2]), UnstableError, "arrival_rate = 2: must be below the total service rate 2/s"),
        ((float("nan"), [1.0], [2]), InputError, "arrival_rate = nan: must be a finite number above 0"),
        ((-1.0, [1.0], [2]), InputError, "arrival_rate = -1.0: must be a finite number above 0"),
        ((0, [1.0], [2]), InputError, "arrival_rate = 0: must be a finite number above 0"),
        ((1.0, [1.0, float("nan")], [2, 2]), InputError, "service_rates[1] = nan: must be a finite number"),
        ((1.0, [1.0, -1.0], [2, 2]), InputError, "service_rates[1] = -1.0: must be a finite number"),
        ((1.0, [1.0, 0.0], [2, 2]), InputError, "service_rates[1] = 0.0: must be a finite number"),
        ((1.0, [1.0, float("inf")], [2, 2]), InputError, "service_rates[1] = inf: must be a finite number"),
        ((1.0, [1.0, 1.0], [2, 0]), InputError, "capacities[1] = 0.0: must be a finite number of at least 1"),
        ((1.0, [1.0, 1.0], [2, 1.5]), InputError, "capacities[1] = 1.5: must be a whole number"),
        ((1.0, [1.0, 1.0], [2]), InputError, "capacities = array of size 1: give 2, one per chain"),
        ((1.0, [], []), InputError, "service_rates = []: give at least one chain"),
        ((1.0, [[1.0]], [2]), InputError, "service_rates = array of shape (1, 1): must be one-dimensional"),
    ],
)
def test_invalid_queues_are_refused_in_one_sentence(formula, queue, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}") as refusal:
        formula(*queue)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5, 95, float("nan")])
def test_percentiles_must_be_given_as_shares(q):
    solved = exact(8, [2], [5])
    message = re.escape(f"q = {q}: must lie between 0 and 1; the 95th percentile is q = 0.95")
    with pytest.raises(InputError, match=message):
        solved.percentile_s(q)
    with pytest.raises(InputError, match=message):
        solved.waiting_percentile_s(q)
    with pytest.raises(InputError, match=message):
        solved.first_token_percentile_s(q, [0.1])


def test_markov_refuses_large_systems():
    with pytest.raises(InputError, match=r"^number of Markov states = \d+: must be at most 200000"):
        markov(1.0, [1.0, 0.5, 0.2], [100, 100, 100])
