"""Simulation of step queues, compared with a plain simulator and with queueing theory."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.allocation.reserved_only import reserved_only
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from evaluators.admission.requests import RequestAdmission
from evaluators.points.case import Case, Draw
from evaluators.simulation import JobTimes, simulate, simulate_layout
from evaluators.simulation.steps.simulate import simulate_steps
from system import (
    Composition,
    InfeasibleError,
    InputError,
    NotApplicableError,
    Placement,
    Servers,
    System,
    UnstableError,
)
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from system.layout import Layout
from system.response import Run
from system.routing import WAITING
from system.service.steps import Steps
from tests.algorithms.test_dispatch import DISPATCHES
from tests.evaluators.test_admission import chains_of
from tests.evaluators.test_routed_simulation import SCHEMES, crowded_rate_per_s, random_routed
from tests.support.oracles.instances import random_system, served_model
from tests.support.oracles.step_simulation import StepSimulation
from tests.support.project import case_of
from workloads.jobs import Jobs

BATCHING = [("serial", 0.0), ("decode", 0.0), ("decode", 0.3)]


def token_jobs(rng: np.random.Generator, count: int, rate_per_s: float, most_tokens: int = 40) -> Jobs:
    """Return jobs with Poisson arrivals and whole tokens; some have a single output token."""
    lengths = np.column_stack([rng.integers(1, 400, count), rng.integers(0, most_tokens, count)])
    return Jobs(np.cumsum(rng.exponential(1 / rate_per_s, count)), np.ones(count), lengths, rng.random(count))


@dataclass(frozen=True, kw_only=True)
class StepsInTurn(Steps):
    """Steps whose computation times are multiplied by listed factors, one after another."""

    listed: tuple[float, ...]

    def factors(self, rng: np.random.Generator | None) -> np.ndarray:
        return np.array(self.listed)


def in_turn(factors: np.ndarray, **settings) -> StepsInTurn:
    return StepsInTurn(listed=tuple(factors.tolist()), **settings)


def assert_as_the_plain_simulator(layout: Layout, jobs: Jobs, service: Steps) -> Run:
    servers = layout.system.servers

    def stack_s(times_s: list[float]) -> float:
        return max(times_s) * (1 + service.further_share * (len(times_s) - 1))

    stacks, model_blocks = stack_s if service.batching == "decode" else None, layout.system.model.block_count
    further = service.handling_s, model_blocks, service.factors(None).tolist()
    plain = StepSimulation(servers, jobs, RequestAdmission(layout, jobs), stacks, *further)
    served = plain.run()
    run = simulate_steps(layout, jobs, service)
    ours = run.times
    expected = {
        "waiting_s": [job.start_s for job in served] - jobs.arrival_s,
        "response_s": [job.end_s for job in served] - jobs.arrival_s,
        "first_token_s": [job.first_token_s for job in served] - jobs.arrival_s,
    }
    for name, values in expected.items():
        assert getattr(ours, name) == pytest.approx(values, rel=1e-9, abs=1e-9), name
    assert set(ours.parts) == {"compute", "queue", "communication"}
    for name, values in ours.parts.items():
        assert values == pytest.approx([getattr(job, f"{name}_s") for job in served], rel=1e-9, abs=1e-9), name
    assert busy_s(run) == pytest.approx(plain.busy_s)
    assert (ours.service_s == ours.parts["compute"] + ours.parts["queue"] + ours.parts["communication"]).all()
    return run


def busy_s(run: Run) -> np.ndarray:
    """Return (J,) the seconds in which each server computed.

    Its utilisation is a share of the time from the first arrival to the last end.
    """
    times = run.times
    return run.utilisation * ((times.arrival_s + times.response_s).max() - times.arrival_s[0])


@pytest.mark.parametrize(("batching", "further_share"), BATCHING)
def test_every_job_is_served_as_in_the_plain_simulator(batching, further_share):
    rng, settings = np.random.default_rng(501), {"batching": batching, "further_share": further_share}
    queued = waited = 0
    for name, load in [("jffc", 0.5), ("jffc", 0.9), ("jsq", 0.7), ("sed", 0.7)]:
        chains = chains_of(rng).under(DISPATCHES[name])
        jobs = token_jobs(rng, 100, load * chains.total_rate_per_s)
        run = assert_as_the_plain_simulator(chains, jobs, Steps(**settings))
        queued += np.count_nonzero(run.times.parts["queue"])
        waited += np.count_nonzero(run.times.waiting_s)
    for waiting in WAITING:
        routed = random_routed(rng, SCHEMES["ws_rr"], waiting)
        jobs = token_jobs(rng, 100, crowded_rate_per_s(routed, 0.7))
        run = assert_as_the_plain_simulator(routed, jobs, Steps(**settings))
        queued += np.count_nonzero(run.times.parts["queue"])
        waited += np.count_nonzero(run.times.waiting_s)
        handled = assert_as_the_plain_simulator(routed, jobs, Steps(**settings, handling_s=2.0))
        assert handled.times.parts["queue"].sum() > run.times.parts["queue"].sum()
        assert_as_the_plain_simulator(routed, jobs, in_turn(rng.uniform(0.5, 2, 1000), **settings))
    assert queued > 100
    assert waited > 50


def one_server(slots: int, communication_s: tuple, block_s: tuple) -> Composition:
    """Return one server that hosts both blocks and serves `slots` jobs at once.

    The rule is JFFC.
    """
    system = System(served_model(2), Servers([2 + slots * 0.2], [communication_s], [block_s]), 1.0, (1.0, 100.0, 10.0))
    hops = np.zeros(1, np.int64), np.full(1, 2), np.array([0, 1])
    return Composition.of_hops(system, Placement([0], [2]), *hops, np.array([slots])).under(JFFC)


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean over independent runs and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def prompts_only(rng: np.random.Generator, count: int, rate_per_s: float, mean_tokens: float) -> Jobs:
    """Return jobs with exponential prompts, in whole tokens, and a single output token."""
    lengths = np.column_stack([np.ceil(rng.exponential(mean_tokens, count)), np.zeros(count)])
    return Jobs(np.cumsum(rng.exponential(1 / rate_per_s, count)), np.ones(count), lengths, rng.random(count))


def after_the_start(run: Run) -> JobTimes:
    return run.times.after_warm_up(0.1)


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


@pytest.mark.parametrize("batching", ["serial", "decode"])
@pytest.mark.parametrize("name", DISPATCHES)
def test_jobs_that_never_meet_take_the_times_of_equation_2(name, batching):
    rng = np.random.default_rng(505)
    for _ in range(3):
        composition = disjoint_chains(rng)
        jobs = token_jobs(rng, 200, 0.9 * composition.total_rate_per_s)
        service = Steps(batching=batching, further_share=0.5)
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

    In a stack every step beside the longest costs only a share of its time.
    """
    rng = np.random.default_rng(506)
    composition = chains_of(rng).under(JFFC)
    jobs = token_jobs(rng, 500, composition.total_rate_per_s)
    stacking = {share: Steps(batching="decode", further_share=share) for share in (0.0, 0.5)}
    runs = {share: simulate_steps(composition, jobs, service) for share, service in stacking.items()}
    serial = simulate_steps(composition, jobs, Steps())
    assert busy_s(serial).sum() == pytest.approx(serial.times.parts["compute"].sum())
    assert busy_s(runs[0.0]).sum() < busy_s(runs[0.5]).sum()
    assert busy_s(runs[0.5]).sum() < runs[0.5].times.parts["compute"].sum()
    single = one_server(5, (0.1, 0.0, 0.01), (0.01, 1e-4, 0.02))
    jobs = token_jobs(rng, 200, 2.0)
    services = Steps(), Steps(batching="decode", further_share=1.0)
    serial, stacked = (simulate_steps(single, jobs, service) for service in services)
    assert busy_s(stacked) == pytest.approx(busy_s(serial))
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


@pytest.mark.parametrize(
    ("size", "lengths"), [(2.0, [[10.0, 3.0]]), (1.0, [[10.5, 3.0]]), (1.0, [[10.0, 0.5]]), (1.0, [[0.0, 3.0]])]
)
def test_jobs_without_whole_tokens_are_refused(size, lengths):
    jobs = Jobs(np.zeros(1), np.full(1, size), np.array(lengths), np.zeros(1))
    with pytest.raises(NotApplicableError, match=r"; use workload=drawn_lengths or a trace$"):
        simulate_steps(one_server(1, (0.1, 0, 0), (0.1, 0, 0)), jobs, Steps())


def test_no_jobs_give_no_times_and_a_job_alone_takes_that_of_equation_2():
    composition = one_server(1, (0.1, 0.0, 0.02), (0.01, 1e-3, 0.05))
    for count in (0, 1):
        jobs = Jobs(np.zeros(count), np.ones(count), np.array([[10.0, 3.0]]), np.zeros(count))
        times = simulate_steps(composition, jobs, Steps()).times
        assert times.response_s == pytest.approx([0.1 + 3 * 0.02 + 2 * (0.01 + 10 * 1e-3 + 3 * 0.05)] * count)


@pytest.mark.parametrize(
    ("batching", "share", "message"), [("some", 0.0, "batching = some"), ("decode", 1.5, "at most 1")]
)
def test_invalid_batching_is_refused(batching, share, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Steps(batching=batching, further_share=share)


@compiled(DISPATCH)
def never(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -1


@compiled(DISPATCH)
def beyond(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return capacity.size


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (never, "dispatch = never: leaves 3 jobs waiting beside idle chains"),
        (beyond, "dispatch = beyond: answers 1 for job 0; must answer with"),
    ],
)
def test_policies_with_invalid_answers_are_refused(policy, message):
    jobs, dispatch = token_jobs(np.random.default_rng(508), 3, 1.0), Dispatch(policy, work_conserving=False)
    with pytest.raises(InputError, match=re.escape(message)):
        simulate_steps(one_server(1, (0.1, 0, 0), (0.1, 0, 0)).under(dispatch), jobs, Steps())


def evaluated(*overrides: str) -> dict:
    """Return one replication's values by metric, or by metric and coordinate.

    The layout is a chain of two servers.
    """
    machine = ("model=tiny_llama", "network=local", "cluster=local_pair", "tuning.capacity=6")
    words = (
        "demand=load",
        "demand.reference.tuning.capacity=6",
        "evaluator=simulation",
        "service=steps",
        "workload=drawn_lengths",
        "workload.job_count=2000",
    )
    case: Case = instantiate(case_of(*machine, *words, *overrides))
    measurements = case.evaluator(Draw(case, 0), 0)
    return {(metric, at) if np.isfinite(at) else metric: value for metric, value, at in measurements}


def test_evaluator_reports_the_parts_of_the_service_time_and_busy_servers():
    values = evaluated("demand.load=0.1")
    parts = sum(values[f"{part}_mean_s"] for part in ("compute", "queue", "communication"))
    assert parts == pytest.approx(values["service_mean_s"])
    shares = [value for key, value in values.items() if key[0] == "server_utilisation"]
    assert len(shares) == 2
    assert 0 < min(shares) <= max(shares) < 1
    assert values["response_mean_s"] == pytest.approx(values["waiting_mean_s"] + values["service_mean_s"])
    assert "is_unstable" not in values


def test_rate_that_condition_4_forbids_is_refused_even_for_few_jobs():
    rng = np.random.default_rng(511)
    chains = chains_of(rng).under(JFFC)
    crowded = chains.at_rate(1.05 * chains.total_rate_per_s)
    jobs = token_jobs(rng, 20, crowded.system.arrival_rate_per_s)
    with pytest.raises(UnstableError, match="must be below the total service rate"):
        simulate_layout(crowded, jobs, Steps(), stop_unstable=True)
    assert (simulate_layout(crowded, jobs, Steps()).times.response_s > 0).all()


def test_server_may_be_overloaded_below_a_load_of_1():
    """Refuse or report a rate that condition (4) allows but the servers cannot serve."""
    message = r"seen after 1000 of 2000 arrivals; .* computed \d+% of the time; lower the rate"
    with pytest.raises(UnstableError, match=message):
        evaluated("demand.load=0.9")
    values = evaluated("demand.load=0.9", "evaluator.unstable=report")
    assert values["is_unstable"] == 1
    assert values["load"] == pytest.approx(0.9)


def test_single_token_has_no_time_per_further_token():
    single = evaluated("demand.load=0.1", "workload.output_tokens=1")
    assert "output_token_mean_s" not in single
    assert single["response_mean_s"] > 0
    several = evaluated("demand.load=0.1", "workload.output_tokens=2")
    assert 0 < several["output_token_mean_s"] < single["response_mean_s"]


def test_error_for_exponential_sizes_names_a_suitable_workload():
    with pytest.raises(NotApplicableError, match=r"^workload: .*; use workload=drawn_lengths or a trace$"):
        evaluated("demand.load=0.1", "workload=poisson_exponential")


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


def test_variable_computation_times_lengthen_queues_but_not_the_mean_computation():
    steady, varying = (evaluated("demand.load=0.2", f"service.slowdown_cv={cv}") for cv in (0, 0.5))
    assert varying["compute_mean_s"] == pytest.approx(steady["compute_mean_s"], rel=3 * 0.5 / np.sqrt(2 * 2000))
    assert varying["queue_mean_s"] > steady["queue_mean_s"]
    with pytest.raises(InputError, match="slowdown_cv = -1"):
        Steps(slowdown_cv=-1)


def test_slowdown_applies_to_blocks_only():
    composition = one_server(4, (1.0, 0.0, 0.5), (2.0, 0.01, 0.3))
    slower = one_server(4, (1.0, 0.0, 0.5), (3.0, 0.015, 0.45))
    jobs = token_jobs(np.random.default_rng(509), 60, 0.01)
    expected, slowed = simulate_steps(slower, jobs, Steps()), simulate_steps(composition, jobs, Steps(slowdown=1.5))
    np.testing.assert_allclose(slowed.times.response_s, expected.times.response_s)
    np.testing.assert_allclose(busy_s(slowed), busy_s(expected))
    with pytest.raises(InputError, match="slowdown = 0"):
        Steps(slowdown=0)
