"""Real runs: tokens match the whole model, all cache slots are freed, and the parts of a job's time add up."""

import numpy as np
import pytest

from evaluators.points.case import Draw
from evaluators.points.measured.served import RuntimeEvaluator, check_lengths
from evaluators.simulation.jobs import simulate
from serving.orchestrator.job_record import ServedJob
from serving.settings import RunSettings
from sweep.instantiate import evaluate
from system import InputError, NotApplicableError
from system.service.independent import INDEPENDENT
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.project import case_of, needs_runtime
from workloads.jobs import Jobs

pytestmark = needs_runtime

LOCAL = ("network=local", "cluster=local_pair", "workload=drawn_lengths", "workload.job_count=8", "demand.per_s=40")
LLAMA = ("model=tiny_llama", "tuning.capacity=3")
BLOOM = ("model=tiny_bloom", "tuning.capacity=3")
DECODE = ("service=steps", "service.batching=decode")
BUDGET = ("service=token_budget", "service.budget_tokens=16")
NINE = (
    "model=tiny_llama",
    "cluster=local_nine",
    "cluster.memory_budget_gb=[0.3,0.15]",
    "tuning.capacity=2",
    "evaluator.engine=local",
)


def run_of(*overrides):
    """Return a draw, its jobs and their run.

    All tokens are checked unless an override says otherwise.
    """
    from serving.run import serve

    case = case_of(*LOCAL, "evaluator=runtime", "evaluator.check_tokens=1000", *overrides)
    from hydra.utils import instantiate

    point = instantiate(case)
    draw = Draw(point, 0)
    jobs = draw.jobs(0)
    settings = point.evaluator
    return draw, jobs, serve(draw.layout, jobs, settings, settings.service, draw.streams(0).jobs("prompts"))


@pytest.mark.parametrize(
    "overrides",
    [
        (*LLAMA, "evaluator.engine=local"),
        (*BLOOM, "evaluator.engine=local", *DECODE),
        (*LLAMA, "evaluator.engine=pipe", *DECODE),
        (*BLOOM, "evaluator.engine=pipe"),
        (*LLAMA, "evaluator.engine=local", "service=steps", "service.prefill_chunk_tokens=7"),
        (*BLOOM, "evaluator.engine=pipe", *DECODE, "service.stacking=share_of_slots", "service.prefill_chunk_tokens=1"),
        (*LLAMA, "evaluator.engine=pipe", *BUDGET),
        (*BLOOM, "evaluator.engine=local", *BUDGET, "service.prefill_chunk_tokens=5"),
        (*LLAMA, "evaluator.engine=local", "dispatch=jsq"),
        (*NINE, "algorithm=petals"),
        (*NINE, "algorithm=bprr"),
        (*NINE, "algorithm=petals", *BUDGET),
    ],
    ids=" ".join,
)
def test_tokens_match_the_whole_model_and_cache_slots_are_freed(overrides):
    draw, jobs, ran = run_of(*overrides)
    assert all(record.served for record in ran.records)
    assert ran.identical_share == 1.0
    assert ran.held_slots == 0
    assert not ran.lost
    further = np.array([len(record.tokens) - 1 for record in ran.records])
    np.testing.assert_array_equal(further, jobs.lengths[:, 1])
    assert len({tuple(record.tokens) for record in ran.records if len(record.tokens) > 3}) > 1
    assert set(ran.stats) == set(np.flatnonzero(draw.layout.slots_used() > 0))


@pytest.mark.parametrize("engine", ["local", "pipe"])
def test_the_parts_of_the_service_time_add_up(engine):
    _, _, ran = run_of(*LLAMA, f"evaluator.engine={engine}", "network.rtt_s=0.004")
    for record in ran.records:
        parts = record.parts
        steps = parts.hops / 2
        assert steps == len(record.tokens)
        assert min(parts.compute_s, parts.emulated_rtt_s, record.orchestrator_s) > 0
        assert min(parts.queue_s, parts.transport_s) >= 0
        assert parts.held_s == 0
        # a timer may be late, but never early
        assert parts.emulated_rtt_s >= parts.hops * 0.004
        assert parts.compute_s < record.service_s
        assert record.arrival_s <= record.start_s < record.first_token_s <= record.end_s


def test_a_run_cuts_prompts_and_gives_servers_rules_as_its_service_model_says():
    draw, jobs, ran = run_of(*LLAMA, "evaluator.engine=local", "service=steps", "service.prefill_chunk_tokens=7")
    input_tokens, further_tokens = jobs.lengths.T
    assert input_tokens.max() > 7
    assert [record.parts.hops for record in ran.records] == (2 * (np.ceil(input_tokens / 7) + further_tokens)).tolist()
    settings = RunSettings()
    for service, rules in (
        (Steps(batching="decode", stacking="share_of_slots"), ("decode", "share_of_slots", None)),
        (TokenBudget(budget_tokens=9), ("mixed", "all_waiting", 9)),
        (INDEPENDENT, ("serial", "all_waiting", None)),
    ):
        specs = settings.specs(draw.layout, service).values()
        assert {(spec.batching, spec.stacking, spec.budget_tokens) for spec in specs} == {rules}


def test_a_paced_server_is_never_faster_than_its_profile():
    draw, jobs, ran = run_of(*LLAMA, "evaluator.engine=local", "evaluator.pace=true", "workload.job_count=4")
    alone_s = draw.layout.composition().job_coefficients_s @ np.column_stack([np.ones(4), jobs.lengths]).T
    communication_s = draw.system.servers.communication_s.sum(axis=0) @ np.column_stack([np.ones(4), jobs.lengths]).T
    for job, record in enumerate(ran.records):
        assert record.parts.compute_s + record.parts.held_s >= (alone_s[0] - communication_s)[job] * (1 - 1e-9)


def test_waiting_times_match_a_simulation_of_the_policy():
    """Compare a run with a simulation with the same service times.

    One chain of capacity 1 serves first come, first served.
    """
    _, jobs, ran = run_of("model=tiny_llama", "tuning.capacity=1", "evaluator.engine=local")
    service_s = np.array([record.service_s for record in ran.records])
    jobs_as_run = Jobs(jobs.arrival_s, service_s, np.zeros((1, 2)), jobs.uniform)
    expected_s = simulate(jobs_as_run, [1.0], [1]).waiting_s
    waiting_s = np.array([record.start_s - record.arrival_s for record in ran.records])
    assert waiting_s[0] == 0.0  # the chain was free when it arrived
    # The loop starts jobs a little late, and the delays add up while jobs queue. A job that arrives in the turn of the
    # loop in which another ends starts as if the chain had been free.
    assert (waiting_s >= expected_s - 2e-3).all()
    assert (waiting_s - expected_s).max() < 0.2 * expected_s.max()


def test_a_real_run_reports_slos_and_chosen_metrics():
    slos = "{none: {first_token_s: 1e-9}, all: {response_s: 1000}, both: {first_token_s: 1e-9, response_s: 1000}}"
    words = (f"evaluator.slos={slos}", "metric=[slowdown,fairness,energy]", "metric.fairness.measure.groups=2")
    case = case_of(*LOCAL, *LLAMA, "evaluator=runtime", "evaluator.engine=local", "evaluator.warm_up=0", *words)
    case["cluster"]["profile"]["busy_w"] = 30
    rows = evaluate(case, range(1), range(1)).rows
    values = {row.metric: row.value for row in rows}
    assert [values[f"{name}_slo_share"] for name in ("none", "all", "both")] == [0, 1, 0]
    assert values["all_goodput_per_s"] > values["both_goodput_per_s"] == 0
    assert min(values["slowdown_mean"], values["slowdown_by_rank"], values["slowdown_fairness"]) > 0
    assert 0 < values["busy_energy_mean_j"] < 2 * 30 * values["response_mean_s"]  # both servers at once, all the time


def test_records_are_converted_to_times():
    records = [
        ServedJob(1.0, 2.0, 2.5, 4.5, tokens=[1, 2, 3], status="served"),
        ServedJob(2.0, 2.0, 3.0, 3.0, tokens=[1], status="served"),
    ]
    from serving.run import job_times

    times = job_times(records)
    np.testing.assert_array_equal(times.waiting_s, [1.0, 0.0])
    np.testing.assert_array_equal(times.service_s, [2.5, 1.0])
    np.testing.assert_array_equal(times.first_token_s, [1.5, 1.0])
    np.testing.assert_array_equal(times.output_token_s, [1.0, np.nan])


def test_a_real_run_refuses_impossible_settings():
    from hydra.utils import instantiate

    for words, error, sentence in (
        (("workload=poisson_exponential",), NotApplicableError, "drawn_lengths"),
        (("model=tiny_llama", "model.block_count=4"), InputError, "6 blocks"),
        (("model=bloom_176b", "model.name=bloom"), InputError, "bloom_176b"),
        (("evaluator.device=tpu",), InputError, "cuda"),
        (("evaluator.device=cuda",), InputError, "no CUDA device"),
        (("evaluator.weights=nowhere",), InputError, "nowhere"),
        (
            ("service.request_delay_s=0.07",),
            NotApplicableError,
            "request_delay_s = 0.07: a real run does not imitate it",
        ),
        (("service=lockstep",), NotApplicableError, "Lockstep: the batches of lockstep exist in simulation only"),
        (
            ("service=steps", "service.head_s=0.001", "evaluator.pace=true"),
            NotApplicableError,
            "do not imitate the slowdown, handling or head",
        ),
        (("dispatch=jffc_published_code",), NotApplicableError, "looks = arrivals: real runs call the policy"),
        (("algorithm=bprr", "algorithm.foreseen=true"), NotApplicableError, "foreseen = true: real runs cannot know"),
    ):
        point = instantiate(case_of(*LOCAL, *LLAMA, "evaluator=runtime", "evaluator.engine=local", *words))
        with pytest.raises(error, match=sentence):
            point.evaluator(Draw(point, 0), 0)
    with pytest.raises(InputError, match="engine = carrier_pigeon"):
        RuntimeEvaluator(engine="carrier_pigeon")
    long = Jobs(np.zeros(1), np.ones(1), np.array([[200.0, 57.0]]), np.zeros(1))
    check_lengths(long, 257)
    with pytest.raises(InputError, match="258 tokens"):
        check_lengths(long, 256)
