"""Simulation of step queues, compared with queueing theory and with times computed by hand."""

import numpy as np
import pytest

from algorithms.allocation.reserved_only import reserved_only
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from evaluators.simulation import simulate
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, InfeasibleError, InputError
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.algorithms.test_dispatch import DISPATCHES
from tests.support.oracles.instances import chains_of, random_system
from tests.support.oracles.steps.runs import after_the_start, busy_s, in_turn, mean_and_error, one_server, token_jobs
from workloads.jobs import Jobs


def prompts_only(rng: np.random.Generator, count: int, rate_per_s: float, mean_tokens: float) -> Jobs:
    """Return jobs with exponential prompts, in whole tokens, and a single output token."""
    lengths = np.column_stack([np.ceil(rng.exponential(mean_tokens, count)), np.zeros(count)])
    return Jobs(np.cumsum(rng.exponential(1 / rate_per_s, count)), np.ones(count), lengths, rng.random(count))


def pollaczek_khinchine_s(rate_per_s: float, services_s: np.ndarray) -> float:
    """Return the mean waiting time of M/G/1 with equally likely service times."""
    return rate_per_s * np.mean(services_s**2) / (2 * (1 - rate_per_s * np.mean(services_s)))


def test_server_for_one_job_is_an_m_g_1_queue():
    """Let one job at a time hold the server.

    Other jobs then wait for its whole service time of equation (2).
    """
    rng, composition, rate_per_s = np.random.default_rng(502), one_server(1, (0.1, 0.0, 0.01), (0.1, 2e-4, 5e-3)), 0.8
    lengths = np.stack(np.meshgrid(np.arange(1, 400), np.arange(40)), axis=-1).reshape(-1, 2)
    services_s = np.insert(lengths, 0, 1, axis=1) @ composition.job_coefficients_s[0]
    runs = [simulate_steps(composition, token_jobs(rng, 2500, rate_per_s), Steps()) for _ in range(8)]
    mean_s, error_s = mean_and_error([after_the_start(run).waiting_s.mean() for run in runs])
    assert mean_s == pytest.approx(pollaczek_khinchine_s(rate_per_s, services_s), abs=3 * error_s)
    assert all((run.times.parts["queue"] == 0).all() for run in runs)


def test_prompts_at_a_server_with_ample_slots_are_an_m_m_1_queue():
    """Give all jobs the same delays, so that steps arrive as a Poisson process."""
    composition = one_server(400, (0.5, 0.0, 0.0), (0.0, 5e-5, 0.0))
    rate_per_s, mu_per_s, tokens = 0.7, 1.0, 10_000
    rng = np.random.default_rng(503)
    runs = [simulate_steps(composition, prompts_only(rng, 2500, rate_per_s, tokens), Steps()) for _ in range(8)]
    times = [after_the_start(run) for run in runs]
    at_server_s = [run_times.parts["compute"] + run_times.parts["queue"] for run_times in times]
    mean_s, error_s = mean_and_error([float(values_s.mean()) for values_s in at_server_s])
    assert mean_s == pytest.approx(1 / (mu_per_s - rate_per_s), abs=3 * error_s)
    share, error = mean_and_error([float(np.mean(values_s > 5.0)) for values_s in at_server_s])
    assert share == pytest.approx(np.exp(-(mu_per_s - rate_per_s) * 5.0), abs=3 * error)
    queues, error = mean_and_error([float(np.mean(run_times.parts["queue"] > 0)) for run_times in times])
    assert queues == pytest.approx(rate_per_s / mu_per_s, abs=3 * error)
    busy, error = mean_and_error([float(run.utilisation[0]) for run in runs])
    assert busy == pytest.approx(rate_per_s / mu_per_s, abs=3 * error)
    assert all((run_times.waiting_s == 0).all() for run_times in times)
    assert all(run_times.parts["communication"] == pytest.approx(0.5) for run_times in times)


def test_many_short_steps_share_a_server_equally():
    """Compare steps in turn with processor sharing.

    They are the same except for a step's length. With processor sharing a job of s seconds takes s / (1 - ρ) in the
    mean, whatever the distribution of s (M/G/1-PS).
    """
    step_s, rate_per_s = 0.005, 0.6
    composition = one_server(400, (0.0, 0.0, 0.0), (0.0, 1e-9, step_s / 2))
    rng, slowed = np.random.default_rng(504), {"short": [], "long": []}
    for _ in range(8):
        jobs = token_jobs(rng, 1000, rate_per_s, most_tokens=400)
        load = rate_per_s * 199.5 * step_s
        times = after_the_start(simulate_steps(composition, jobs, Steps()))
        compute_s = times.parts["compute"]
        for name, chosen in (("short", compute_s < 1.0), ("long", compute_s >= 1.0)):
            slowed[name].append(times.service_s[chosen].sum() / compute_s[chosen].sum())
    for values in slowed.values():
        mean, error = mean_and_error(values)
        assert mean == pytest.approx(1 / (1 - load), abs=3 * error + 0.02)


def disjoint_chains(rng: np.random.Generator) -> Composition:
    """Return chains that share no server; each serves one job at once."""
    while True:
        system = random_system(rng)
        try:
            composition = reserved_only(system, GbpCr()(system, 1))
        except InfeasibleError:
            continue
        if len(composition) > 1:
            ones = np.ones(len(composition), np.int64)
            hops = composition.hop_server, composition.hop_blocks, composition.hop_start
            return Composition.of_hops(system, composition.placement, *hops, ones)


@pytest.mark.parametrize(
    "service",
    [
        Steps(),
        Steps(batching="decode", batch_curve={2: 1.5}),
        Steps(batching="decode", stacking="share_of_slots", batch_curve={2: 1.5}),
        TokenBudget(batch_curve={2: 1.5}),
        Lockstep(batch_curve={2: 1.5}),
    ],
)
@pytest.mark.parametrize("name", DISPATCHES)
def test_jobs_that_never_meet_take_the_times_of_equation_2(name, service):
    rng = np.random.default_rng(505)
    for _ in range(3):
        composition = disjoint_chains(rng)
        jobs = token_jobs(rng, 200, 0.9 * composition.total_rate_per_s)
        ours = simulate_steps(composition.under(DISPATCHES[name]), jobs, service).times
        coefficients_s = composition.job_coefficients_s
        alone = simulate(jobs, composition.mean_service_s, composition.capacity, DISPATCHES[name], coefficients_s)
        for time in ("waiting_s", "service_s", "first_token_s"):
            assert getattr(ours, time) == pytest.approx(getattr(alone, time), rel=1e-9, abs=1e-9), time
        several = jobs.lengths[:, 1] > 0
        assert ours.output_token_s[several] == pytest.approx(alone.output_token_s[several])
        assert np.isnan(ours.output_token_s[~several]).all()
        assert (ours.chain == alone.chain).all()
        assert ours.chain_count == alone.chain_count == len(composition)
        assert ours.parts["queue"] == pytest.approx(0, abs=1e-9)


def test_servers_compute_as_long_as_jobs_need():
    """Compare steps in turn, where no time is saved, with stacked steps.

    In a stack every step beside the first costs only a share of its time.
    """
    rng = np.random.default_rng(506)
    composition = chains_of(rng).under(JFFC)
    jobs = token_jobs(rng, 500, composition.total_rate_per_s)
    stacking = {share: Steps(batching="decode", batch_curve={2: 1 + share}) for share in (0.0, 0.5)}
    runs = {share: simulate_steps(composition, jobs, service) for share, service in stacking.items()}
    serial = simulate_steps(composition, jobs, Steps())
    assert busy_s(serial).sum() == pytest.approx(serial.times.parts["compute"].sum())
    assert busy_s(runs[0.0]).sum() < busy_s(runs[0.5]).sum()
    assert busy_s(runs[0.5]).sum() < runs[0.5].times.parts["compute"].sum()
    assert (serial.utilisation <= 1).all()


def test_times_of_two_jobs_are_as_computed_by_hand():
    """Let both jobs arrive at 0.

    Their prompts of 1 s are computed one after the other, then two tokens each in turn or together. Round trips take
    0.2 s.
    """
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.05))
    jobs = Jobs(np.zeros(2), np.ones(2), np.array([[1.0, 2.0]]), np.zeros(2))
    serial = simulate_steps(composition, jobs, Steps()).times
    # The first job takes 0.1 + 1 + 0.1 and then twice 0.1 + 0.1 + 0.1. But its first one-token step arrives at 1.3,
    # while the other job's prompt is computed from 1.1 to 2.1. Its next step arrives at 2.4, just after the other job's
    # step has been computed from 2.3 to 2.4.
    assert serial.first_token_s == pytest.approx([1.2, 2.2])
    assert serial.parts["queue"] == pytest.approx([0.8, 1.0])
    assert serial.response_s == pytest.approx([2.6, 2.8])
    stacked = simulate_steps(composition, jobs, Steps(batching="decode")).times
    assert stacked.response_s == pytest.approx([2.6, 2.8])
    assert serial.output_token_s == pytest.approx([0.7, 0.3])


def test_equal_steps_with_random_times_wait_as_in_an_m_g_1_queue():
    """Send prompts of one length to a server with ample slots.

    Only computation times vary.
    """
    composition, mean_s, cv, rate_per_s = one_server(400, (0.5, 0.0, 0.0), (0.3, 2e-4, 0.0)), 1.0, 0.8, 0.7
    rng = np.random.default_rng(510)
    waits_s, services_s = [], []
    for _ in range(8):
        jobs = Jobs(np.cumsum(rng.exponential(1 / rate_per_s, 2500)), np.ones(2500), [[1000.0, 0.0]], rng.random(2500))
        run = simulate_steps(composition, jobs, in_turn(rng.gamma(cv**-2, cv**2, 4000)))
        waits_s.append(float(after_the_start(run).parts["queue"].mean()))
        services_s.append(float(run.times.parts["compute"].mean()))
    assert np.mean(services_s) == pytest.approx(mean_s, abs=3 * cv / np.sqrt(8 * 2500))
    expected_s = rate_per_s * mean_s**2 * (1 + cv**2) / (2 * (1 - rate_per_s * mean_s))
    wait_s, error_s = mean_and_error(waits_s)
    assert wait_s == pytest.approx(expected_s, abs=3 * error_s)


def test_slowdown_applies_to_blocks_only():
    composition = one_server(4, (1.0, 0.0, 0.5), (2.0, 0.01, 0.3))
    slower = one_server(4, (1.0, 0.0, 0.5), (3.0, 0.015, 0.45))
    jobs = token_jobs(np.random.default_rng(509), 60, 0.01)
    expected, slowed = simulate_steps(slower, jobs, Steps()), simulate_steps(composition, jobs, Steps(slowdown=1.5))
    np.testing.assert_allclose(slowed.times.response_s, expected.times.response_s)
    np.testing.assert_allclose(busy_s(slowed), busy_s(expected))
    with pytest.raises(InputError, match="slowdown = 0"):
        Steps(slowdown=0)
