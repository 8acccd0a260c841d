"""The front gives an endpoint's client the times of a real run: HTTP adds little to paced steps."""

import json

import numpy as np
import pytest
from hydra.utils import instantiate

pytest.importorskip("torch")
pytest.importorskip("aiohttp")

from evaluators.points.case import Draw
from serving.http.layout import deployment_of
from sweep.instantiate import evaluate
from system.documents.yaml_files import read_yaml
from tests.serving.http.test_command import front
from tests.support.project import ROOT, case_of

CASE = (
    *("model=tiny_llama", "network=local", "network.rtt_s=0.003", "cluster=local_pair"),
    *("cluster.profile=${profile:cpu_seventh}", "cluster.prefill_overhead_s=0.0021", "cluster.token_overhead_s=0.0021"),
    *("service=steps", "service.batching=decode", "+service.batch_curve={2: 1.4, 8: 1.9}", "tuning.capacity=3"),
    *("workload=drawn_lengths", "workload.job_count=20", "workload.input_tokens=48", "workload.output_tokens=8"),
    "demand.per_s=1.5",
)
LAYOUT = """
model: {preset: tiny_llama, weights: float32, cache: float32}
cache_tokens: 256
servers:
  - {name: first, gpu: slowed.yaml, free_memory_gb: 1, rtt_ms: 3, blocks: "0:3"}
  - {name: second, gpu: slowed.yaml, free_memory_gb: 1, rtt_ms: 3, blocks: "3:6"}
chains: [{servers: [first, second], capacity: 3}]
overheads: {prefill_ms: 2.1, token_ms: 2.1}
service: {name: steps, batching: decode, batch_curve: {2: 1.4, 8: 1.9}}
workload: {rate_per_s: 1, input_tokens: 48, output_tokens: 8}
"""
TIMES = ("response_mean_s", "first_token_mean_s", "output_token_mean_s")


@pytest.fixture
def layout(tmp_path):
    """Return a layout file of the servers of `CASE`, with their profile beside it."""
    profile = read_yaml(ROOT / "hardware_profiles/cpu_seventh.yaml")
    profile["measured_block_s"] = {"tiny_llama_float32": profile["measured_block_s"]["tiny_llama"]}
    (tmp_path / "slowed.yaml").write_text(json.dumps(profile))
    path = tmp_path / "layout.yaml"
    path.write_text(LAYOUT)
    return path


def measured(*words):
    """Return the times that an evaluator measures of the jobs of `CASE`."""
    rows = evaluate(case_of(*CASE, *words), range(1), range(1)).rows
    values = {row.metric: row.value for row in rows}
    assert values["failed_jobs"] == 0
    return np.array([values[name] for name in TIMES])


def test_the_layout_file_has_the_chain_of_the_case(layout):
    ours = deployment_of(layout, "jffc").composition
    theirs = Draw(instantiate(case_of(*CASE, "evaluator=runtime")), 0).layout.composition()
    np.testing.assert_allclose(ours.job_coefficients_s, theirs.job_coefficients_s, rtol=1e-12)
    assert ours.capacity.tolist() == theirs.capacity.tolist() == [3]
    assert ours.slots_used().tolist() == theirs.slots_used().tolist()


@pytest.mark.slow
def test_an_endpoint_measures_at_the_front_what_a_real_run_measures(layout):
    """Compare means of two runs each, in turn, of the same jobs."""
    runtime, endpoint = [], []
    with front(layout, "--pace", "--emulate", "rtt") as (_, address):
        for _ in range(2):
            runtime.append(measured("evaluator=runtime", "evaluator.pace=true"))
            endpoint.append(measured("evaluator=endpoint", f"evaluator.url={address}", "evaluator.vocabulary=[0,1000]"))
    ratio = np.mean(endpoint, axis=0) / np.mean(runtime, axis=0)
    spread = max(np.ptp(runs, axis=0)[0] / np.mean(runs, axis=0)[0] for runs in (runtime, endpoint))
    assert (np.abs(ratio - 1) < 0.1 + spread).all(), (runtime, endpoint)
