"""The evaluator of llama.cpp: its rows, jobs that fail, and a run of the real programs."""

from contextlib import contextmanager
from threading import Timer

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason='needs the extra engines: pip install -e ".[engines]"')

from evaluators.points.measured.endpoint import WAITING
from evaluators.points.measured.reported import FailedJobsWarning
from evaluators.points.metrics import metric_meanings
from serving.engines.llamacpp import fleet
from sweep.instantiate import evaluate
from system import InputError, NotApplicableError
from tests.serving.llamacpp.layouts import needs_llamacpp
from tests.support.endpoints.chains import VOCABULARY, fake_llamacpp
from tests.support.endpoints.fake import Fake
from tests.support.project import case_of

TWO_CHAINS = (  # of one server each
    "model=small_llama",
    "model.block_count=2",
    "network=local",
    "cluster=local_two_speeds",
    "cluster.memory_budget_gb=[0.015,0.015]",
    "allocation=reserved_only",
    "tuning.capacity=1",
    "workload=drawn_lengths",
    "workload.job_count=12",
    "workload.input_tokens=8",
    "workload.output_tokens=5",
    "demand.per_s=20",
)


def rows_of(*overrides):
    return evaluate(case_of(*TWO_CHAINS, *overrides), range(1), range(1)).rows


def values_of(rows):
    return {(row.metric, None if np.isnan(row.at) else row.at): row.value for row in rows}


def test_rows_are_those_of_a_simulation_and_those_of_an_endpoint():
    with fake_llamacpp(fake := Fake(first_s=0.02, token_s=0.002)):
        rows = rows_of("evaluator=llamacpp", "evaluator.warm_up=0")
    values, names = values_of(rows), {row.metric for row in rows}
    simulated = {row.metric for row in rows_of("evaluator=replay")}
    parts = {"is_unstable"}
    assert simulated - parts <= names
    assert set(WAITING) <= names <= metric_meanings().keys()
    assert values["response_mean_s", None] == pytest.approx(
        values["waiting_mean_s", None] + values["service_mean_s", None]
    )
    assert values["first_token_quantile_s", 0.5] >= 0.02
    assert values["chain_share", 1] + values["chain_share", 2] == pytest.approx(1)
    by_chain = sum(values["chain_share", k] * values["chain_service_mean_s", k] for k in (1, 2))
    assert by_chain == pytest.approx(values["service_mean_s", None])
    assert values["failed_jobs", None] == values["rerouted_jobs", None] == values["lost_chain", 1] == 0
    assert fake.most_present <= 2  # slots; the others waited here
    prompts = [body["prompt"] for body in fake.bodies]
    assert max(max(prompt) for prompt in prompts) < VOCABULARY
    assert sum(map(len, prompts)) == pytest.approx(8 * 12, rel=0.8)


def test_jobs_that_an_engine_refuses_are_counted_with_their_reasons(monkeypatch):
    monkeypatch.setattr("serving.engines.dispatching.GRACE_S", 0.05)
    with fake_llamacpp(Fake(["busy", "good"])), pytest.warns(FailedJobsWarning, match="of 12 jobs failed.*429"):
        values = values_of(rows_of("evaluator=llamacpp", "evaluator.warm_up=0"))
    assert 0 < values["failed_jobs", None] < 12
    with fake_llamacpp(Fake("broken")), pytest.raises(InputError, match=r"llama.cpp: no job was served .*500"):
        rows_of("evaluator=llamacpp")


def test_layouts_without_chains_are_refused():
    with pytest.raises(NotApplicableError, match="chains"):
        evaluate(
            case_of(*TWO_CHAINS[:5], *TWO_CHAINS[7:], "algorithm=bprr", "evaluator=llamacpp"),
            range(1),
            range(1),
        )


@needs_llamacpp
def test_llama_cpp_itself_serves_every_job():
    values = values_of(rows_of("evaluator=llamacpp", "evaluator.warm_up=0"))
    assert values["failed_jobs", None] == 0
    assert 0 < values["first_token_mean_s", None] < values["response_mean_s", None]
    assert values["chain_share", 1] + values["chain_share", 2] == pytest.approx(1)


@needs_llamacpp
@pytest.mark.slow
def test_jobs_of_a_chain_whose_server_is_killed_begin_again_on_the_other(monkeypatch):
    start = fleet.start

    @contextmanager
    def started(layout, settings):
        with start(layout, settings) as chains:
            killer = Timer(1.0, chains.processes[0][0].process.kill)  # the RPC server
            killer.start()
            yield chains
            killer.cancel()

    monkeypatch.setattr(fleet, "start", started)
    longer = ("workload.job_count=30", "workload.output_tokens=60", "demand.per_s=8")
    values = values_of(rows_of("evaluator=llamacpp", "evaluator.warm_up=0", *longer))
    assert values["lost_chain", 1] == 1
    assert values["lost_chain", 2] == values["failed_jobs", None] == 0
    assert values["rerouted_jobs", None] >= 1
    assert values["chain_share", 2] > values["chain_share", 1]
