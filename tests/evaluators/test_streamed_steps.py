"""Simulation of steps in chunks of jobs: jobs have the times of a run in one piece."""

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from evaluators.simulation.steps.simulate import simulate_steps
from evaluators.simulation.steps.stream import stream_steps
from sweep.instantiate import evaluate
from system import RandomStreams
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.oracles.instances import chains_of
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths

SERVICES = {
    "serial": Steps(),
    "serial in chunks": Steps(prefill_chunk_tokens=7, head_s=0.01, slowdown_cv=0.3),
    "decode": Steps(batching="decode", batch_curve={2: 1.3}, handling_s=0.01),
    "share of slots": Steps(batching="decode", stacking="share_of_slots"),
    "budget": TokenBudget(budget_tokens=16),
    "lockstep": Lockstep(budget_tokens=20, slowdown_cv=0.2),
}
TIMES = ("arrival_s", "waiting_s", "service_s", "first_token_s", "output_token_s", "chain")
WORKLOAD = DrawnLengths(Poisson(), 600, input_tokens=40, output_tokens=12)


def crowded_chains():
    """Return chains that some jobs have to wait for."""
    chains = chains_of(np.random.default_rng(601)).under(JFFC)
    return chains.at_rate(0.9 * chains.total_rate_per_s)


@pytest.mark.parametrize("name", SERVICES)
def test_every_job_has_the_times_of_a_run_in_one_piece(name):
    chains, service = crowded_chains(), SERVICES[name]
    rate_per_s = chains.system.arrival_rate_per_s
    whole = simulate_steps(chains, WORKLOAD.jobs(rate_per_s, RandomStreams(1)), service, np.random.default_rng(2)).times
    assert (whole.waiting_s > 0).sum() > 10
    assert (whole.parts["queue"] > 0).sum() > 10
    for size in (1, 37, 9999):
        chunks = WORKLOAD.chunks(rate_per_s, RandomStreams(1), size)
        results = list(stream_steps(chunks, chains, JFFC, service, np.random.default_rng(2)))
        order = np.argsort(np.concatenate([chunk.number for chunk in results]))
        for column in TIMES:
            ours = np.concatenate([getattr(chunk.times, column) for chunk in results])[order]
            np.testing.assert_array_equal(ours, getattr(whole, column), err_msg=column)
        assert results[-1].present == 0


def test_present_jobs_are_those_that_have_arrived_and_not_left():
    chains = crowded_chains()
    rate_per_s = chains.system.arrival_rate_per_s
    jobs = WORKLOAD.jobs(rate_per_s, RandomStreams(1))
    end_s = jobs.arrival_s + simulate_steps(chains, jobs, Steps()).times.response_s
    for chunk in list(stream_steps(WORKLOAD.chunks(rate_per_s, RandomStreams(1), 50), chains, JFFC, Steps()))[:12]:
        assert chunk.present == np.sum(end_s[: chunk.arrived] > jobs.arrival_s[chunk.arrived - 1])


def test_streamed_statistics_are_those_of_all_jobs():
    words = ("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "service=steps")
    words += ("demand.per_s=6", "workload.job_count=2000", "tuning.capacity=3")
    rows = {}
    for evaluator in ("simulation", "simulation_stream"):
        case = case_of(*words, f"evaluator={evaluator}")
        rows[evaluator] = {(row.metric, row.at): row.value for row in evaluate(case, range(1), range(1)).rows}
    for metric in ("response_mean_s", "waiting_mean_s", "service_mean_s", "first_token_mean_s"):
        streamed, whole = (
            next(value for (name, _), value in rows[evaluator].items() if name == metric)
            for evaluator in ("simulation_stream", "simulation")
        )
        assert streamed == pytest.approx(whole, rel=1e-12), metric


def test_rate_that_servers_cannot_keep_up_with_is_refused_in_chunks():
    """Use a rate that condition (4) allows: only the queues of steps are unstable."""
    case = case_of(
        *("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "service=steps"),
        *("demand=load", "demand.load=0.9", "demand.reference.tuning.capacity=6", "tuning.capacity=6"),
        *("workload.job_count=5000", "evaluator=simulation_stream"),
    )
    (refusal,) = evaluate(case, range(1), range(1)).refusals
    assert refusal.status == "unstable"
    assert "steps wait for each other" in refusal.reason
