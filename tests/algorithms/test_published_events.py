"""Events only at arrivals and the delay of each request, and whole runs of the authors' simulator."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC, JFFC_PUBLISHED_CODE
from algorithms.dispatch.jsq import JSQ
from evaluators.admission.requests import RequestAdmission
from evaluators.queueing.steady_state import require_theory, theory_holds
from evaluators.simulation import simulate, simulate_layout
from evaluators.simulation.streamed import stream_layout
from system import (
    Composition,
    InputError,
    NotApplicableError,
    Placement,
    RandomStreams,
    Servers,
    System,
    UnstableError,
)
from system.response import JobTimes
from system.service.independent import Independent
from system.service.steps import Steps
from tests.algorithms.test_contracts import made, token_jobs
from tests.evaluators.test_routed_simulation import SCHEMES, random_routed
from tests.support.oracles import published_simulator as published
from tests.support.oracles.instances import chains_of, one_server_chains, poisson_jobs, random_queue, served_model
from tests.support.published_runs import anchors_file, recorded_runs
from workloads.arrivals import Poisson
from workloads.jobs import Jobs
from workloads.synthetic import SyntheticWorkload


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
@pytest.mark.parametrize("load", [0.5, 0.9, 1.5])
def test_every_job_has_the_time_of_the_published_code(load, delay_s):
    rng, left = np.random.default_rng(361), 0
    for _ in range(20):
        arrival_rate, rates, capacity = random_queue(rng, most_states=1e4, decades=1, load=load)
        order = np.argsort(-rates)
        chains_of_one = one_server_chains(1 / rates[order], capacity[order], arrival_rate)
        composition = chains_of_one.under(JFFC_PUBLISHED_CODE)
        jobs = poisson_jobs(rng, 200, arrival_rate)
        times = simulate_layout(composition, jobs, Independent(delay_s)).times
        chains = [
            published.PublishedChain([k], chain.capacity, chain.mean_service_s)
            for k, chain in enumerate(composition.chains)
        ]
        response_s, waiting = published.serve(jobs.arrival_s, jobs.size, chains, delay_s)
        assert times.response_s == pytest.approx(response_s, rel=1e-9, abs=1e-9)
        left += waiting
    assert left > 0 or load < 1


def test_a_queued_job_starts_at_the_next_arrival_and_the_last_ones_share_a_slot():
    """Check one slot, and two jobs that wait after the last arrival."""
    jobs = Jobs(np.array([0.0, 1.0, 5.0, 5.5, 5.6]), np.ones(5), np.zeros((1, 2)), np.zeros(5))
    at_arrivals = simulate(jobs, [2.0], [1], JFFC_PUBLISHED_CODE)
    assert at_arrivals.waiting_s == pytest.approx([0.0, 4.0, 2.0, 1.5, 1.4])
    assert simulate(jobs, [2.0], [1], JFFC).waiting_s == pytest.approx([0.0, 1.0, 0.0, 1.5, 3.4])


def test_queues_of_chains_wait_for_arrivals_too():
    """Check a policy with queues of chains: jobs start only at arrivals."""
    rng = np.random.default_rng(362)
    policy = replace(JSQ, looks="arrivals")
    for _ in range(10):
        arrival_rate, rates, capacity = random_queue(rng, most_states=1e4, decades=1, load=1.2)
        jobs = poisson_jobs(rng, 200, arrival_rate)
        times = simulate(jobs, np.sort(1 / rates), capacity[np.argsort(-rates)], policy)
        assert np.isfinite(times.response_s).all()
        start_s = (jobs.arrival_s + times.waiting_s)[times.waiting_s > 0]
        before_the_end = start_s[start_s < jobs.arrival_s[-1] - 1e-9]
        assert np.abs(before_the_end[:, None] - jobs.arrival_s).min(axis=1) == pytest.approx(0, abs=1e-9)


def test_a_policy_called_only_after_arrivals_lets_jobs_wait_beside_free_chains():
    with pytest.raises(InputError, match=r"looks = arrivals: lets jobs wait while a chain has room; set work_cons"):
        replace(JFFC, looks="arrivals")
    with pytest.raises(InputError, match=r"looks = never: must be one of events, arrivals"):
        replace(JFFC, looks="never")


def test_theory_does_not_hold_for_events_only_at_arrivals():
    workload, chains = SyntheticWorkload(Poisson(), 100, 2, 2), chains_of(np.random.default_rng(363))
    assert theory_holds(chains.under(JFFC), workload)
    assert not theory_holds(chains.under(JFFC_PUBLISHED_CODE), workload)
    with pytest.raises(
        NotApplicableError, match=r"JFFC or thresholds after every event only; use evaluator=simulation$"
    ):
        require_theory("exact", chains.under(JFFC_PUBLISHED_CODE), workload)


def charging_extra() -> Composition:
    """Return a chain of two servers, each charged for both of its blocks.

    They host blocks 0, 1 and 1, 2.
    """
    system = System(served_model(3), Servers([9.0, 9.0], [1.0, 1.0], [0.1, 0.1]), 0.01)
    hops = np.array([0, 1]), np.array([2, 1]), np.array([0, 2]), np.array([2])
    return Composition.of_hops(system, Placement([0, 1], [2, 2]), *hops, np.array([2, 2]))


def test_a_job_is_charged_for_the_time_and_the_slots_of_blocks_that_it_does_not_run():
    chains = charging_extra()
    assert chains.mean_service_s == pytest.approx([2 * (1.0 + 2 * 0.1)])
    assert chains.slots_used().tolist() == [4, 4]
    assert chains.chain(0).blocks == (2, 1)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (chains_of(np.random.default_rng(364)).under(JFFC_PUBLISHED_CODE), "looks = arrivals: .* after every event"),
        (charging_extra().under(JFFC), "allocation: its jobs take the time and slots of blocks that they do not run"),
    ],
)
def test_steps_and_real_runs_refuse_what_they_cannot_follow(layout, message):
    jobs = token_jobs(np.random.default_rng(365), 5, 1.0)
    with pytest.raises(NotApplicableError, match=message) as of_steps:
        simulate_layout(layout, jobs, Steps())
    with pytest.raises(NotApplicableError, match=message) as of_real_runs:
        RequestAdmission(layout, jobs)
    assert "step queues" in str(of_steps.value)
    assert "real runs" in str(of_real_runs.value)
    assert np.isfinite(simulate_layout(layout, jobs).times.response_s).all()


def same_but_delayed(delayed: JobTimes, plain: JobTimes, delay_s: float) -> bool:
    """Return whether service and first token of jobs without waiting are delayed."""
    assert (plain.waiting_s == 0).all()
    assert (delayed.waiting_s == 0).all()
    assert delayed.output_token_s.tobytes() == plain.output_token_s.tobytes()
    later = delayed.service_s - plain.service_s, delayed.first_token_s - plain.first_token_s
    return bool(np.allclose(later, delay_s, rtol=0, atol=1e-9))


@pytest.mark.parametrize("scheme", ["chains", *SCHEMES])
def test_the_delay_comes_before_the_first_token_whatever_the_size(scheme):
    rng = np.random.default_rng(366)
    layout = chains_of(rng).under(JFFC) if scheme == "chains" else random_routed(rng, SCHEMES[scheme], "fcfs")
    far_apart = Jobs(np.arange(20) * 1e5, rng.exponential(size=20), np.array([[100.0, 9.0]]), rng.random(20))
    delayed, plain = (simulate_layout(layout, far_apart, Independent(delay)).times for delay in (0.5, 0.0))
    assert same_but_delayed(delayed, plain, 0.5)


def test_chunks_delay_every_request_too():
    chains, workload = chains_of(np.random.default_rng(367)).under(JFFC), SyntheticWorkload(Poisson(), 500, 20, 5)
    chains, streams = chains.at_rate(0.5 * chains.total_rate_per_s), RandomStreams(3)
    rate = chains.system.arrival_rate_per_s
    whole = simulate_layout(chains, workload.jobs(rate, streams), Independent(0.5)).times
    streamed = stream_layout(chains, workload.chunks(rate, RandomStreams(3), 60), 500, Independent(0.5))
    for time in ("response", "service", "first_token"):
        assert streamed.mean_s(time) == pytest.approx(whole.mean_s(time), rel=1e-12)


def test_a_delay_that_makes_chains_too_slow_is_seen_as_unstable():
    chains = one_server_chains(np.array([1.0]), np.array([1]), 0.9).under(JFFC)
    jobs, delay = poisson_jobs(np.random.default_rng(368), 5000, 0.9), Independent(1.0)
    assert simulate_layout(chains, jobs, stop_unstable=True).times.mean_s("response") > 1
    with pytest.raises(UnstableError, match=r"fast enough only without request_delay_s; lower the rate or that delay$"):
        simulate_layout(chains, jobs, delay, stop_unstable=True)
    workload = SyntheticWorkload(Poisson(), 20_000, 1, 1)
    with pytest.raises(UnstableError, match=r"fast enough only without request_delay_s"):
        stream_layout(chains, workload.chunks(0.9, RandomStreams(4), 400), 20_000, delay)


def assert_same_result(run: published.Run) -> published.Result:
    """Check that the harness gives the mean, c and K of the plain version."""
    layout = made("algorithm", "proposed_published_code").compose(run.system, np.random.default_rng(0))
    jobs = Jobs(run.arrival_s, run.size, np.array([run.system.mean_job[1:]]), np.zeros(run.size.size))
    times = simulate_layout(layout, jobs, Independent(published.REQUEST_DELAY_S)).times
    plain = published.proposed(run)
    assert times.mean_s("response") == pytest.approx(plain.mean_s, rel=1e-9)
    assert layout.placement.reserved_capacity == plain.capacity
    assert layout.placement.reserved_chain_count == plain.chains
    return plain


def test_runs_on_made_up_networks_equal_those_of_the_published_code():
    rng, results = np.random.default_rng(369), []
    for servers in published.SERVER_COUNTS:
        for fast_share in published.FAST_SHARES:
            fast = np.arange(servers) < servers * fast_share
            rtt_s = np.sort(rng.uniform(0.005, 0.05, servers))
            servers_drawn = published.servers_of(rtt_s, fast)
            system = System(published.MODEL, servers_drawn, published.RATE_PER_S, (1.0, 2000.0, 19.0))
            arrival_s = np.cumsum(rng.exponential(1 / published.RATE_PER_S, published.JOB_COUNT))
            size = rng.exponential(size=published.JOB_COUNT)
            run = published.Run(0, (), np.zeros((0, 0)), fast, system, arrival_s, size)
            results.append(assert_same_result(run))
    assert len({result.capacity for result in results}) > 3
    assert len({result.chains for result in results}) > 5


def test_recorded_runs_of_the_authors_simulator():
    """Check mean, c and K by the plain version and by the harness."""
    anchors = anchors_file()
    for recorded in recorded_runs():
        run = published.draw_run(anchors, recorded.servers, recorded.fast_share, recorded.run)
        result = assert_same_result(run)
        assert run.seed == recorded.seed
        assert result.mean_s == pytest.approx(recorded.proposed_s, rel=1e-6)
        assert (result.capacity, result.chains) == (recorded.proposed_c, recorded.proposed_chains)
