"""The data dictionary explains exactly the metrics that evaluators report, with the units in their names."""

import numpy as np
import pandas as pd
import pytest

from evaluators.points.metrics import metric_meanings
from store.tables.filtered import MEASURED
from store.tables.meanings import UNITS, columns, dictionary, unit_of, whole_dictionary
from store.tables.reading import OF_POINT, Made
from sweep.instantiate import evaluate
from tests.support.project import NEEDS_ENGINES, SMALL_RUN, case_of, choices, needs_runtime

SMALL = ("network=european", "model=llama2_7b", "cluster.server_count=4", "demand.per_s=0.5", "tuning.capacity=3")
SPECIAL = {
    "markov": ("model.cache_memory_gb=0.3", "demand.per_s=0.1"),  # few slots
    "gaps": ("workload=synthetic_code", "workload.job_count=2000"),
    "exact": ("evaluator.slos={chat: {response_s: 10}}",),
    "interference": ("service=steps", "workload=drawn_lengths"),  # whole tokens
    "accuracy": ("service=steps", "workload=drawn_lengths"),
    "runtime": (*SMALL_RUN, "evaluator.check_tokens=1"),
    "endpoint": SMALL_RUN[:-1],
    "simulation": ("evaluator.slos={chat: {response_s: 10, first_token_s: 1}}",),
}
METRICS_OF_CONF = ",".join(choices("metric"))
# What a second run of an evaluator may report beside the first.
MEASURED_HERE = ("evaluator.profile=${profile:cpu_one_thread}", "model.name=tiny_llama", "workload.input_tokens=128")
FURTHER = (
    ("evaluator=simulation", "evaluator.warm_up=mser"),
    ("evaluator=simulation", "service=steps", "workload=drawn_lengths", f"metric=[{METRICS_OF_CONF}]"),  # whole tokens
    ("evaluator=cost", "evaluator.stage=simulate", "algorithm=petals", "demand.per_s=0.01"),
    ("evaluator=maxflow", "algorithm=helix", "algorithm.placement.most_nodes=1"),
    ("evaluator=computation_profile", *MEASURED_HERE),
    ("evaluator=communication_profile", *MEASURED_HERE),
    ("evaluator=published", "evaluator.layout=helix_pipeline_t4_70b"),
)
PHYSICAL = ("s", "1/s", "GB", "J")
METRICS = metric_meanings()


@pytest.fixture(scope="module")
def endpoint():
    """Serve an endpoint for the evaluator that needs one."""
    pytest.importorskip("aiohttp", reason=NEEDS_ENGINES)
    from tests.support.endpoints.fake import Fake, serving

    with serving(Fake()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAIN_ENDPOINT_URL", fake.url)
        yield


@pytest.fixture(scope="module")
def emitted(endpoint, tmp_path_factory):
    """Return rows of every evaluator, run small, with all metrics that it may report."""
    rows = []
    first = [(f"evaluator={name}", *SPECIAL.get(name, ())) for name in choices("evaluator")]
    for evaluator in (*first, *FURTHER):
        words = dict(word.split("=", 1) for word in (*SMALL, "workload.job_count=200", *evaluator))
        words = [f"{key}={value}" for key, value in words.items()]
        case = case_of(*words)
        for profile in filter(None, map(case["cluster"].get, ("fast", "slow"))):
            profile |= {"cost_per_hour": 1, "idle_w": 10, "busy_w": 100}  # for metrics of cost and energy
        outcome = evaluate(case, range(1), range(1))
        assert not outcome.refusals, (evaluator, outcome.refusals)
        rows += outcome.rows
    file = tmp_path_factory.mktemp("trace") / "trace.csv"
    file.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{n},9,{n % 2}\n" for n in range(40)))
    replayed = ("workload=trace", f"workload.file={file}", "workload.unanswered=one_token", "demand=native")
    rows += evaluate(case_of(*SMALL[:3], *replayed), range(1), range(1)).rows
    return pd.DataFrame(rows)


@needs_runtime
def test_the_dictionary_has_exactly_the_metrics_that_evaluators_report(emitted):
    table = dictionary(emitted, METRICS)
    assert table[table["meaning"].str.startswith("unknown: ")].empty
    plain = set(emitted["metric"].str.replace(r"\d+", "<n>", regex=True).str.replace("chat_", "<name>_"))
    assert set(METRICS) - plain == set()


@needs_runtime
def test_at_is_explained_for_exactly_the_metrics_that_use_it(emitted):
    used = emitted.dropna(subset="at")["metric"].unique()
    table = dictionary(emitted, METRICS).set_index("name")
    metrics = table[table["kind"] == "metric"]
    assert set(metrics.index[metrics["at"] != ""]) == set(used)


def test_a_name_in_a_metric_stands_for_any_name():
    assert meaning_of("long_chat_2_slo_share") == METRICS["<name>_slo_share"]["is"]
    assert meaning_of("chain12_service_cdf") == METRICS["chain<n>_service_cdf"]["is"]
    assert meaning_of("_slo_share").startswith("unknown: ")
    assert meaning_of("chain_service_cdf").startswith("unknown: ")


def meaning_of(metric):
    return dictionary(pd.DataFrame({"metric": [metric]}), METRICS).set_index("name").loc[metric, "meaning"]


def test_units_are_those_at_the_ends_of_names():
    assert len(METRICS) > 40
    for name, metric in METRICS.items():
        assert unit_of(name) in ("", metric["unit"]), name
        assert metric["unit"] not in PHYSICAL or unit_of(name) == metric["unit"], name
        assert set(metric) <= {"unit", "is", "at"}, name
    assert unit_of("demand.per_s") == "1/s"
    assert list(UNITS).index("_per_s") < list(UNITS).index("_s")


def test_the_dictionary_distinguishes_columns_and_axes():
    assert set(columns()) >= {
        "experiment",
        "point",
        *MEASURED,
        *OF_POINT,
        *(set(Made._fields) - {"draws", "replications"}),
    }
    rows = pd.DataFrame({"demand.per_s": ["1"], "at": [np.nan], "metric": ["nonsense_s"], "value": [1.0]})
    table = dictionary(rows, METRICS).set_index("name")
    assert table["kind"].to_dict() == dict(zip(rows, ["axis", "column", "column", "column"], strict=True)) | {
        "nonsense_s": "metric"
    }
    assert table.loc["nonsense_s", "meaning"].startswith("unknown: ")
    assert len(whole_dictionary(METRICS)) == len(columns()) + len(METRICS)
