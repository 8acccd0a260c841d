"""Every evaluator of a point, and the planner, works with the same mean lengths of requests."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import yaml

from evaluators.simulation import simulate_layout
from planner.choice import prediction
from planner.choice.search import plan
from planner.inventory.reading import inventory_of
from planner.study.study_plan import study
from sweep.instantiate import instantiated
from system import NotApplicableError, Servers
from tests.support.project import CONF, case_of, choices, needs_runtime
from workloads.drawn_lengths import DrawnLengths
from workloads.synthetic import SyntheticWorkload, is_poisson_exponential

LIMIT = 4.5  # standard errors
ROUNDING = 1e-8
OF_A_STEP_S = 1e-9  # next to nothing, but no time may be 0
RECORDED = ("azure_code", "azure_code_first_1000", "azure_code_first_1000_poisson", "azure_code_start")
RECORDED += ("azure_conversation",)
TREATED = ("synthetic_code", "trace")  # with a choice for over-long requests
CASES = [
    *((name, "truncate") for name in choices("workload") if name not in RECORDED),
    *((name, treatment) for name in TREATED for treatment in ("drop", "size_to_trace", "untreated")),
]


def whole_prompts(service):
    """Return the words by which no prompt is cut into chunks.

    A chunk after the first reads the weights again, so it takes the time of a token.
    """
    settings = yaml.safe_load((CONF / "service" / f"{service}.yaml").read_text(encoding="utf-8"))
    return ("service.budget_tokens=100000",) if "budget_tokens" in settings else ()


# Hosts of llama.cpp take time beside tokens.
OF_TOKENS = {service for service in choices("service") if service not in ("independent", "llamacpp")}
EVALUATORS = {
    "exact": ("evaluator=exact",),
    "simulation": ("evaluator=simulation", "evaluator.warm_up=0"),
    "simulation_stream": ("evaluator=simulation_stream", "evaluator.warm_up=0"),
    "replay": ("evaluator=replay",),
    "streamed steps": ("evaluator=simulation_stream", "evaluator.warm_up=0", "service=steps"),
    **{service: ("evaluator=replay", f"service={service}", *whole_prompts(service)) for service in OF_TOKENS},
}
REPLICATIONS = 8


@dataclass(frozen=True)
class CountingServer:
    """A server for one job at a time, which takes a second for every token of one kind."""

    further: bool  # tokens after the first output token; otherwise those of the prompt

    def draw(self, model, streams):
        """Return the server."""
        job_gb = model.block_count * (model.block_memory_gb + model.cache_memory_gb)
        block_s = np.array([[OF_A_STEP_S, not self.further, self.further]]) / model.block_count
        return Servers([1.0001 * job_gb], [[0.0, 0.0, 0.0]], block_s)


def trace_rows(count=400):
    rng = np.random.default_rng(1)
    arrival_s = np.cumsum(rng.exponential(2.0, count)).tolist()
    lengths = zip(rng.integers(10, 4000, count).tolist(), rng.integers(2, 60, count).tolist(), strict=True)
    return [(time_s, *tokens) for time_s, tokens in zip(arrival_s, lengths, strict=True)]


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Return a trace with half of its requests longer than a slot."""
    path = tmp_path_factory.mktemp("trace") / "requests.csv"
    lines = [",".join(map(str, row)) for row in trace_rows()]
    path.write_text("\n".join(["arrival_s,input_tokens,output_tokens", *lines]))
    return path


def words_of(workload, treatment, trace):
    """Return the words of a workload with many over-long requests."""
    if workload == "trace":
        return (f"workload={workload}", f"workload.file={trace}", f"workload.over_length={treatment}")
    if workload.startswith("synthetic"):
        return (f"workload={workload}", f"workload.over_length={treatment}", "workload.job_count=2000")
    return (f"workload={workload}", *LENGTHS, "workload.job_count=2000")


LENGTHS = ("workload.input_tokens=2000", "workload.output_tokens=20")


def case_under(*words):
    """Return a case at a low load, with one job at a time."""
    load = ("demand=load", "demand.load=0.05", "demand.reference.tuning.capacity=1")
    return instantiated(case_of("network=european", "tuning.capacity=1", *load, *words))


@cache
def evaluator_of(name):
    """Return an evaluator; to compose it takes longer than to ask it."""
    return case_under(*EVALUATORS[name]).evaluator


def counted_tokens(case):
    """Return the mean tokens that an evaluator counts, and the error of the mean."""
    evaluation = case.evaluate(range(1), range(REPLICATIONS))
    assert not evaluation.refusals, evaluation.refusals[0].reason
    values = [row.value for row in evaluation.rows if row.metric == "service_mean_s"]
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0


def counts(case):
    """Return whether an evaluator accepts a workload; check the mean tokens that it counts."""
    for further in (False, True):
        try:
            tokens, error = counted_tokens(replace(case, cluster=CountingServer(further)))
        except NotApplicableError:
            return False
        mean = case.fitted_workload.mean_job[1 + further]
        assert abs(tokens - mean) <= LIMIT * error + ROUNDING * mean
    return True


@pytest.mark.parametrize(("workload", "treatment"), CASES)
def test_all_evaluators_of_a_workload_count_its_mean_tokens(workload, treatment, trace):
    case = case_under(*words_of(workload, treatment, trace))
    accepting = {name for name in EVALUATORS if counts(replace(case, evaluator=evaluator_of(name)))}
    requests = case.workload
    assert accepting >= {"simulation", "replay"}
    has_parts_of_tokens = isinstance(requests, SyntheticWorkload) and requests.size_cv > 0
    assert accepting.isdisjoint(OF_TOKENS) if has_parts_of_tokens else accepting >= OF_TOKENS
    is_streamed = isinstance(requests, (DrawnLengths, SyntheticWorkload)) and not has_parts_of_tokens
    assert ("streamed steps" in accepting) == is_streamed
    assert ("exact" in accepting) == is_poisson_exponential(requests)


class ServedError(Exception):
    """The jobs of a real run, raised in place of serving them."""


@needs_runtime
@pytest.mark.parametrize("workload", ["drawn_lengths", "synthetic_code", "trace"])
def test_a_real_run_serves_the_mean_tokens(workload, trace, monkeypatch):
    def serve(layout, jobs, *_):
        raise ServedError(layout, jobs)

    monkeypatch.setattr("serving.run.serve", serve)
    with pytest.raises(ServedError) as run:
        case_under(*words_of(workload, "truncate", trace), "evaluator=runtime").evaluate(range(1), range(1))
    assert_same_means(*run.value.args)


def assert_same_means(layout, jobs):
    """Check that jobs have the mean lengths of a layout's system."""
    mean = np.array(layout.system.mean_job[1:])
    drawn = len(jobs.lengths) > 1 and jobs.lengths.std(axis=0) / np.sqrt(len(jobs))
    assert (np.abs(jobs.lengths.mean(axis=0) - mean) <= LIMIT * drawn + ROUNDING * mean).all()
    assert abs(jobs.size.mean() - 1) <= LIMIT * jobs.size.std() / np.sqrt(len(jobs)) + ROUNDING


INVENTORY = """
model: {preset: llama3_8b, weights: int8}
cache_tokens: 2048
servers:
  - {name: box, count: 3, memory_gb: 16, prefill_tflops: 20, bandwidth_gb_per_s: 200, rtt_ms: 4}
rtt_between_servers_ms: 5
goal: {minimise: mean}
"""
LENGTHS_OF_PLAN = {"rate_per_s": 0.02, "input_tokens": 1500, "output_tokens": 20}


@pytest.mark.parametrize(
    ("requests", "service"),
    [
        (LENGTHS_OF_PLAN, "independent"),
        *(({"over_length": treatment}, "independent") for treatment in ("truncate", "drop", "untreated")),
        ({"over_length": "truncate"}, "steps"),
    ],
)
def test_a_plan_predicts_for_the_mean_tokens(requests, service, trace, monkeypatch):
    def simulate(layout, jobs, *rest, **options):
        simulated.append(layout)
        assert_same_means(layout, jobs)
        return simulate_layout(layout, jobs, *rest, **options)

    simulated = []
    monkeypatch.setattr(prediction, "simulate_layout", simulate)
    workload = requests if "rate_per_s" in requests else {"trace": trace.name, "format": "plain", **requests}
    inventory = inventory_of(yaml.safe_load(INVENTORY) | {"workload": workload, "service": service}, trace.parent)
    chosen = study(plan(replace(inventory, rate_per_s=0.02)))
    assert simulated
    assert all(layout.system.mean_job == chosen.plan.composition.system.mean_job for layout in simulated)
