"""Theory of lockstep: exact cases, a plain second way, simulations over load, slots and splits, and refusals."""

from functools import cache

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.jsq import JSQ
from algorithms.dispatch.least_work import least_work_dispatch
from algorithms.dispatch.random_free import RANDOM_FREE
from evaluators.queueing.interference import interference, largest_rate_per_s
from evaluators.queueing.lockstep.rounds import rounds_of
from evaluators.simulation.full_queue import all_at_once, leaving_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import Composition, NotApplicableError, Placement, RandomStreams, Servers, System, UnstableError
from system.service.lockstep import Lockstep
from tests.support.oracles.instances import chains_of, served_model
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.synthetic import SyntheticWorkload

LENGTHS = DrawnLengths(Poisson(), 6000, 64.0, 16.0)
# Two steps at once take as long as one after the other, as on a CPU; more share the reading of weights.
BATCHED = Lockstep(batch_curve={2: 2.2, 4: 2.7}, head_s=2e-4)
LEAST_WORK = least_work_dispatch()
EQUAL, UNEQUAL, SLOW = ((8, 1), (8, 1)), ((3, 1), (13, 1)), ((8, 2), (8, 1))  # blocks and slowness of servers


@cache
def chains_in(splits, capacity, rtt_s=0.0, workload=LENGTHS):
    """Return chains with servers of their own, which have the given blocks and slowness."""
    hops = [hop for split in splits for hop in split]
    blocks, slowness = (np.array(column) for column in zip(*hops, strict=True))
    block_s = np.outer(slowness, [1e-4, 2e-5, 2.2e-4])
    trips_s = np.tile([rtt_s, 0, rtt_s], (len(hops), 1))
    servers = Servers(np.full(len(hops), 1000.0), trips_s, block_s, orchestrator_rtt_s=np.full(len(hops), rtt_s))
    first = np.concatenate([np.cumsum([0, *(n for n, _ in split[:-1])]) for split in splits])
    system = System(served_model(16), servers, 1.0, workload.mean_job)
    start = np.cumsum([0, *(len(split) for split in splits)])
    placement = Placement(first, blocks)
    return Composition.of_hops(system, placement, np.arange(len(hops)), blocks, start, np.array(capacity))


def at_share(chains, share, service=BATCHED):
    return chains.at_rate(share * largest_rate_per_s(chains, LENGTHS, service))


def simulated(chains, service=BATCHED, seed=0):
    jobs = LENGTHS.jobs(chains.system.arrival_rate_per_s, RandomStreams(seed))
    return simulate_layout(chains, jobs, service).times.after_warm_up()


@pytest.mark.parametrize("load", [0.2, 0.9])
def test_one_slot_is_a_queue_with_a_service_time_that_is_fixed_in_part(load):
    chains = at_share(chains_in((UNEQUAL,), (1,), 0.01), load, Lockstep())
    theory, service_s = interference(chains, LENGTHS, Lockstep()), chains.mean_service_s[0]
    fixed_s = chains.job_coefficients_s[0, 0]
    cv2 = (1 - fixed_s / service_s) ** 2
    waiting_s = load * service_s / (1 - load) * (1 + cv2) / 2  # Pollaczek-Khinchine
    assert theory.mean_service_s == pytest.approx(service_s)
    assert theory.mean_response_s == pytest.approx(service_s + waiting_s)
    assert theory.mean_first_token_s - theory.mean_waiting_s == pytest.approx(chains.mean_first_token_s[0])


@pytest.mark.parametrize("rule", [JFFC, LEAST_WORK], ids=["jffc", "least_work"])
def test_it_equals_balance_equations_with_a_long_queue_written_plainly(rule):
    chains = at_share(chains_in((EQUAL, SLOW), (3, 2)), 0.7).under(rule)
    one, two = rounds_of(chains, LENGTHS.prompt_cv, BATCHED)
    rate_per_s, longest = chains.system.arrival_rate_per_s, 120
    states = [(a, b, 0) for a in range(4) for b in range(3)] + [(3, 2, q) for q in range(1, longest)]
    index = {state: i for i, state in enumerate(states)}
    flow = np.zeros((len(states), len(states)))
    idle, settings = np.zeros(2, np.int64), rule.settings_for(chains)
    for (a, b, q), i in index.items():
        if (a, b) == (3, 2):
            if q + 1 < longest:
                flow[i, index[a, b, q + 1]] += rate_per_s
        else:
            k = rule.policy(np.array([a, b]), idle, 1, chains.capacity, chains.service_rate_per_s, settings, 0.0)
            flow[i, index[a + (k == 0), b + (k == 1), 0]] += rate_per_s
        if q:
            flow[i, index[a, b, q - 1]] += one.full_rate_per_s + two.full_rate_per_s
            continue
        if a:
            flow[i, index[a - 1, b, 0]] += one.rate_per_s[a - 1]
        if b:
            flow[i, index[a, b - 1, 0]] += two.rate_per_s[b - 1]
    balance = np.vstack([(flow - np.diag(flow.sum(axis=1))).T, np.ones(len(states))])
    probability = np.linalg.lstsq(balance, np.eye(len(states) + 1)[-1], rcond=None)[0]
    busy, queue = probability @ np.array(states)[:, :2].sum(axis=1), probability @ np.array(states)[:, 2]
    theory = interference(chains, LENGTHS, BATCHED)
    assert theory.mean_service_s == pytest.approx(busy / rate_per_s, rel=1e-6)
    assert 0.5 < theory.mean_waiting_s / (queue / rate_per_s) < 1  # part of the service time is fixed
    assert theory.waiting_probability == pytest.approx(
        probability[[i for s, i in index.items() if s[:2] == (3, 2)]].sum()
    )


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
@pytest.mark.parametrize("split", [EQUAL, UNEQUAL])
def test_the_largest_rate_is_that_at_which_waiting_jobs_leave(split, slots):
    chains = chains_in((split,), (slots,), 0.002).under(JFFC)
    run = simulate_layout(chains, all_at_once(LENGTHS.jobs(1.0, RandomStreams(slots))), BATCHED)
    assert largest_rate_per_s(chains, LENGTHS, BATCHED) == pytest.approx(leaving_rate_per_s(run.times, 0.1), rel=0.04)


def test_it_is_close_to_simulations_over_load_slots_splits_round_trips_and_policies():
    systems = [
        (chains_in((EQUAL, UNEQUAL), (2, 2)), JFFC),
        (chains_in((EQUAL, SLOW), (4, 4)), LEAST_WORK),
        (chains_in((UNEQUAL, SLOW), (1, 8), 0.005), JFFC),
        (chains_in((EQUAL, EQUAL, SLOW), (4, 2, 1), 0.01), LEAST_WORK),
    ]
    errors = []
    for number, (chains, rule) in enumerate(systems):
        for load in (0.3, 0.6, 0.85):
            loaded = at_share(chains, load).under(rule)
            theory, times = interference(loaded, LENGTHS, BATCHED), simulated(loaded, seed=number)
            tail_s = theory.response_quantiles_s([0.95])[0.95]
            errors.append(
                [theory.mean_response_s / times.mean_s("response"), tail_s / times.quantile_s("response", 0.95)]
            )
    error = np.abs(np.array(errors) - 1)
    assert np.median(error, axis=0) == pytest.approx(0, abs=0.05)
    assert error[:, 0].max() <= 0.2
    assert error[:, 1].max() <= 0.25


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_batches_of_a_new_shape_cost_what_they_do_in_simulations(load):
    shaped = Lockstep(batch_curve={2: 2.2, 4: 2.7}, round_s=0.001, join_s=0.003, shape_round_trips=3)
    chains = at_share(chains_in((EQUAL, UNEQUAL), (4, 2), 0.005), load, shaped).under(JFFC)
    theory = interference(chains, LENGTHS, shaped)
    assert theory.mean_response_s == pytest.approx(simulated(chains, shaped).mean_s("response"), rel=0.1)
    assert theory.mean_service_s > 2 * interference(chains, LENGTHS, BATCHED).mean_service_s


def test_equation_2_knows_nothing_of_the_slowdown():
    chains = at_share(chains_in((EQUAL, UNEQUAL), (4, 4)), 0.6).under(JFFC)
    assert chains.mean_service_s.max() < 0.6 * interference(chains, LENGTHS, BATCHED).mean_service_s


def test_tails_have_the_mean_and_fall():
    theory = interference(at_share(chains_in((EQUAL, SLOW), (4, 2), 0.005), 0.8), LENGTHS, BATCHED)
    times_s = np.linspace(0, 40 * theory.mean_response_s, 40_001)
    tail = np.array([theory.response_tail(time_s) for time_s in times_s])
    assert tail[0] == pytest.approx(1)
    assert (np.diff(tail) <= 1e-12).all()
    assert np.trapezoid(tail, times_s) == pytest.approx(theory.mean_response_s, rel=1e-3)
    quantile_s = theory.response_quantiles_s([0.9])[0.9]
    assert theory.response_tail(quantile_s) == pytest.approx(0.1)


def test_sizes_that_are_not_exponential_have_no_quantiles():
    constant = SyntheticWorkload(Poisson(), 10, 64.0, 16.0, size_cv=0.0)
    chains = at_share(chains_in((EQUAL,), (2,)), 0.5)
    assert interference(chains, constant, BATCHED).response_quantiles_s([0.5]) == {}
    assert list(interference(chains, LENGTHS, BATCHED).response_quantiles_s([0.5])) == [0.5]


def test_rates_from_the_largest_on_are_unstable():
    with pytest.raises(UnstableError, match=r"^arrival_rate_per_s = .*: must be below .* add servers$"):
        interference(at_share(chains_in((EQUAL,), (2,)), 1.0), LENGTHS, BATCHED)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (Lockstep(prefill_chunk_tokens=64), "is for whole prompts without handling"),
        (Lockstep(handling_s=0.001), "is for whole prompts without handling"),
        (Lockstep(slowdown_cv=0.5), "is for whole prompts without handling"),
        (Lockstep(budget_tokens=90), r"^budget_tokens = 90: cuts prompts of .*; give at least 9\d"),
    ],
)
def test_prompts_in_parts_and_varying_speeds_are_refused(service, reason):
    with pytest.raises(NotApplicableError, match=reason):
        interference(chains_in((EQUAL,), (2,)), LENGTHS, service)


@pytest.mark.parametrize("rule", [JSQ, RANDOM_FREE], ids=["jsq", "random_free"])
def test_policies_that_queue_at_chains_or_draw_are_refused(rule):
    with pytest.raises(NotApplicableError, match=r"^interference: dispatch = \w+ is not known in lockstep"):
        interference(chains_in((EQUAL, SLOW), (2, 2)).under(rule), LENGTHS, BATCHED)


def test_chains_that_share_servers_and_too_many_states_are_refused():
    with pytest.raises(NotApplicableError, match="chains that share a server"):
        interference(chains_of(np.random.default_rng(1)), LENGTHS, BATCHED)
    with pytest.raises(NotApplicableError, match="40401 numbers of busy slots are too many, at most 20,000"):
        interference(at_share(chains_in((EQUAL, EQUAL), (200, 200)), 0.5), LENGTHS, BATCHED)
