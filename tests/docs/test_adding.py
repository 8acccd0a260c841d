"""The examples of docs/adding.md: each is written to its files in a copy of the project, and its commands are run."""

import json
import re

import pytest
import yaml

from tests.support.pages import run_block, runnable, write_files
from tests.support.project import command, needs_runtime

PAGE = "docs/adding.md"


@pytest.fixture(scope="module")
def extended(project):
    """Return the copy of the project with everything that the page adds."""
    write_files(project, PAGE)
    return project


def cases():
    """Yield the page's commands; those that run contract tests are slow tests."""
    for block in runnable(PAGE):
        marks = [pytest.mark.slow] if "pytest" in block.text else []
        yield pytest.param(block, id=block.name, marks=marks)


@pytest.mark.parametrize("block", list(cases()))
def test_block_runs_as_it_stands(extended, block):
    assert run_block(extended, block)


NORMALISED = """
import numpy as np
from evaluators.points.case import Draw
from evaluators.points.metrics import metric_meanings
from evaluators.simulation import simulate_layout
from hydra.utils import instantiate
from sweep.instantiate import evaluate
from tests.support.project import case_of

words = ("network=european", "workload=drawn_lengths", "workload.job_count=200", "evaluator.warm_up=0")
for evaluator in ("simulation", "replay"):
    case = case_of(*words, "metric=normalised", f"evaluator={evaluator}")
    draw = Draw(instantiate(case), 0)
    jobs = draw.jobs(0)
    latency_s = simulate_layout(draw.layout, jobs).times.response_s / (1 + jobs.lengths[:, 1])
    rows = evaluate(case, range(1), range(1)).rows
    values = [row.value for row in rows if row.metric.startswith("normalised")]
    assert np.allclose(values, [latency_s.mean(), np.quantile(latency_s, 0.5), np.quantile(latency_s, 0.99)])
assert metric_meanings()["normalised_mean_s"] == {"unit": "s", "is": "mean response time per output token"}
print("as computed")
"""


def test_the_metric_is_explained_and_what_a_plain_computation_gives(extended):
    done = command("-c", NORMALISED, cwd=extended)
    assert done.stdout == "as computed\n", done.stderr


@needs_runtime
@pytest.mark.slow
def test_the_metric_works_for_real_runs(extended):
    means = means_of(extended, "evaluator=runtime", "evaluator.engine=local", "metric=normalised")
    assert 0 < means["normalised_mean_s"] < means["response_mean_s"]


COMPUTED = """
from sweep.instantiate import evaluate
from tests.support.project import case_of

words = ("network=european", "workload=drawn_lengths", "workload.job_count=200", "demand.per_s=0.02")
for service in ("steps", "dragging"):
    rows = evaluate(case_of(*words, f"service={service}"), range(1), range(1)).rows
    print(*(row.value for row in rows if row.metric == "compute_mean_s"))
"""


def test_the_service_model_takes_half_as_long_again(extended):
    done = command("-c", COMPUTED, cwd=extended)
    assert done.returncode == 0, done.stderr
    steps_s, dragging_s = map(float, done.stdout.split())
    assert dragging_s == pytest.approx(1.5 * steps_s)


# Two servers of a small model, and so few requests that none meets another.
ALONE = (
    *("network=local", "cluster=local_pair", "model=tiny_llama", "workload=drawn_lengths", "workload.job_count=4"),
    *("demand.per_s=2", "draws=1", "evaluator.warm_up=0"),
)


def means_of(project, *words):
    """Return by name the metrics of one point that have no coordinate."""
    done = command("run.py", *ALONE, *words, cwd=project)
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in re.findall(r"^  (\w+) +([\d.e+-]+)", done.stdout, flags=re.MULTILINE)}


def test_the_service_model_is_simulated_as_it_says(extended):
    steps, dragging = (means_of(extended, f"service={name}")["compute_mean_s"] for name in ("steps", "dragging"))
    assert dragging == pytest.approx(1.5 * steps, rel=1e-5)


@needs_runtime
def test_the_service_model_sets_the_pace_of_real_servers(extended):
    """Check this at so slow a pace that computing itself does not count."""
    words = ("service=dragging", "service.share=9")
    predicted_s = means_of(extended, *words)["compute_mean_s"]
    served = means_of(extended, "evaluator=runtime", "evaluator.engine=local", "evaluator.pace=true", *words)
    served_s = served["compute_mean_s"] + served["held_mean_s"]
    assert predicted_s * 0.999 <= served_s <= 2 * predicted_s  # a busy machine is late


INVENTORY = {
    "model": {"preset": "llama3_70b", "weights": "nf4"},
    "cache_tokens": 4096,
    "servers": [
        {"name": "workstation", "gpu": "rtx_a6000", "rtt_ms": 0.3},
        {"name": "tower", "count": 2, "gpu": "rtx_4090", "rtt_ms": 0.3},
    ],
    "goal": {"minimise": "mean"},
}


def test_the_service_model_is_planned_with(extended):
    """Plan for requests of whole tokens, some of which are in service at once."""
    lines = [f"2024-01-01 00:00:{n / 4:09.6f}0,{40 + n % 30},{20 + n % 15}" for n in range(200)]
    (extended / "trace.csv").write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]) + "\n")
    means_s = {}
    for name in ("independent", "dragging"):
        inventory = INVENTORY | {"service": name, "workload": {"trace": "trace.csv", "rate_per_s": 0.1}}
        (extended / f"{name}.yaml").write_text(yaml.safe_dump(inventory))
        done = command("plan.py", f"{name}.yaml", "--no-picture", cwd=extended)
        assert done.returncode == 0, done.stderr
        plan = json.loads((extended / f"outputs/plan/{name}/plan.json").read_text())["plan"]
        means_s[name] = plan["prediction"]["mean_s"]
    assert means_s["dragging"] > 1.2 * means_s["independent"]


@pytest.mark.slow
def test_the_service_model_is_drawn_under_its_own_name(extended):
    words = ("experiment.name=real_vs_predicted_trace", "evaluator=replay", "service=independent,steps,dragging")
    swept = command("run.py", "-m", *ALONE, *words, "tuning.capacity=2,3", cwd=extended)
    assert swept.returncode == 0, swept.stderr
    drawn = command("plot.py", "real_vs_predicted_trace", cwd=extended)
    assert drawn.returncode == 0, drawn.stderr
    figure = (extended / "outputs/figures/real_vs_predicted_trace_own.svg").read_text()
    assert all(f">{label}<" in figure for label in ("equation (2)", "step queues", "dragging"))
