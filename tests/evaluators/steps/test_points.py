"""Simulation of steps as an evaluator, and what it refuses."""

import re

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.dispatch.jffc import JFFC
from evaluators.points.case import Case, Draw
from evaluators.simulation import simulate_layout
from evaluators.simulation.steps.simulate import simulate_steps
from system import InputError, NotApplicableError, UnstableError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.oracles.instances import chains_of
from tests.support.oracles.steps.runs import one_server, token_jobs
from tests.support.project import case_of
from workloads.jobs import Jobs

SERVICES = [Steps(), Steps(batching="decode"), TokenBudget(), Lockstep()]
every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.mark.parametrize(
    ("size", "lengths"), [(2.0, [[10.0, 3.0]]), (1.0, [[10.5, 3.0]]), (1.0, [[10.0, 0.5]]), (1.0, [[0.0, 3.0]])]
)
@every_service
def test_jobs_without_whole_tokens_are_refused(size, lengths, service):
    jobs = Jobs(np.zeros(1), np.full(1, size), np.array(lengths), np.zeros(1))
    with pytest.raises(NotApplicableError, match=r"; use workload=drawn_lengths or a trace$"):
        simulate_steps(one_server(1, (0.1, 0, 0), (0.1, 0, 0)), jobs, service)


@every_service
def test_no_jobs_give_no_times_and_a_job_alone_takes_that_of_equation_2(service):
    composition = one_server(1, (0.1, 0.0, 0.02), (0.01, 1e-3, 0.05))
    for count in (0, 1):
        jobs = Jobs(np.zeros(count), np.ones(count), np.array([[10.0, 3.0]]), np.zeros(count))
        times = simulate_steps(composition, jobs, service).times
        assert times.response_s == pytest.approx([0.1 + 3 * 0.02 + 2 * (0.01 + 10 * 1e-3 + 3 * 0.05)] * count)


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
@every_service
def test_policies_with_invalid_answers_are_refused(policy, message, service):
    jobs, dispatch = token_jobs(np.random.default_rng(508), 3, 1.0), Dispatch(policy, work_conserving=False)
    with pytest.raises(InputError, match=re.escape(message)):
        simulate_steps(one_server(1, (0.1, 0, 0), (0.1, 0, 0)).under(dispatch), jobs, service)


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


@every_service
def test_rate_that_condition_4_forbids_is_refused_even_for_few_jobs(service):
    rng = np.random.default_rng(511)
    chains = chains_of(rng).under(JFFC)
    crowded = chains.at_rate(1.05 * chains.total_rate_per_s)
    jobs = token_jobs(rng, 20, crowded.system.arrival_rate_per_s)
    with pytest.raises(UnstableError, match="must be below the total service rate"):
        simulate_layout(crowded, jobs, service, stop_unstable=True)
    assert (simulate_layout(crowded, jobs, service).times.response_s > 0).all()


def test_server_may_be_overloaded_below_a_load_of_1():
    """Refuse or report a rate that condition (4) allows but the servers cannot serve."""
    message = r"seen after 1000 of 2000 arrivals; .* computed \d+% of the time; lower the rate"
    with pytest.raises(UnstableError, match=message):
        evaluated("demand.load=0.9")
    values = evaluated("demand.load=0.9", "evaluator.unstable=report")
    assert values["is_unstable"] == 1
    assert values["load"] == pytest.approx(0.9)


@every_service
def test_an_overloaded_server_is_noticed_under_every_model(service):
    """Send 10 prompts a second to a server that computes 5.

    By equation (2) its 50 slots would serve 250.
    """
    layout = one_server(50, (0.0, 0.0, 0.0), (0.0, 1e-3, 0.0)).at_rate(10.0)
    jobs = Jobs(np.arange(3000) / 10, np.ones(3000), np.array([[100.0, 0.0]]), np.zeros(3000))
    message = r"seen after 1000 of 3000 arrivals; steps wait for each other, and .* computed 100% of the time; lower"
    with pytest.raises(UnstableError, match=message):
        simulate_layout(layout, jobs, service, stop_unstable=True)
    slower = Jobs(np.arange(3000) / 4, np.ones(3000), np.array([[100.0, 0.0]]), np.zeros(3000))
    run = simulate_layout(layout.at_rate(4.0), slower, service, stop_unstable=True)
    assert run.utilisation == pytest.approx([0.8], rel=0.01)


def test_single_token_has_no_time_per_further_token():
    single = evaluated("demand.load=0.1", "workload.output_tokens=1")
    assert "output_token_mean_s" not in single
    assert single["response_mean_s"] > 0
    several = evaluated("demand.load=0.1", "workload.output_tokens=2")
    assert 0 < several["output_token_mean_s"] < single["response_mean_s"]


def test_error_for_exponential_sizes_names_a_suitable_workload():
    with pytest.raises(NotApplicableError, match=r"^workload: .*; use workload=drawn_lengths or a trace$"):
        evaluated("demand.load=0.1", "workload=poisson_exponential")


def test_variable_computation_times_lengthen_queues_but_not_the_mean_computation():
    steady, varying = (evaluated("demand.load=0.2", f"service.slowdown_cv={cv}") for cv in (0, 0.5))
    assert varying["compute_mean_s"] == pytest.approx(steady["compute_mean_s"], rel=3 * 0.5 / np.sqrt(2 * 2000))
    assert varying["queue_mean_s"] > steady["queue_mean_s"]
    with pytest.raises(InputError, match="slowdown_cv = -1"):
        Steps(slowdown_cv=-1)
