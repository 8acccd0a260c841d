"""Every file of conf/ is composed and run small; public data sets are replaced by made-up files."""

import hashlib

import numpy as np
import pytest

from sweep.instantiate import evaluate
from system import DataUnavailableError, NotApplicableError
from tests.support.project import CONF, NEEDS_ENGINES, NEEDS_RUNTIME, ROOT, SMALL_RUN, case_of, choices
from workloads import datasets

# Enough memory for LLaMA-2-7B on four servers, and few jobs.
SMALL = ("model=llama2_7b", "cluster.server_count=4", "demand.per_s=0.5", "tuning.capacity=3")
FEW_JOBS = ("workload.job_count=200",)
FEW_EVALUATIONS = ("algorithm.evaluations=500",)
OF_TRACES = ("azure_code", "azure_code_first_1000", "azure_code_first_1000_poisson", "azure_code_start")
OF_TRACES += ("azure_conversation",)
NEEDING_NOTHING = ("constants", "placement", "allocation", "dispatch", "algorithm", "precision", "cluster", "model")
NEEDING_NOTHING += ("random_numbers",)
LISTED = (
    "typed",
    "inventory",
    *(name for name in choices("cluster") if name.startswith("helix_")),
)  # list their servers
OF_ONE_CLUSTER = tuple(
    name for name in choices("algorithm") if name.startswith("published_")
)  # in tests/hardware_profiles/test_helix.py
# Tunings that hold only where requests slow each other, or only for serial steps.
UNKNOWN_TO = {"simulated_steps": ("independent",), "interference": ("independent", "steps_decode", "lockstep")}
OF_DATA = (
    "ripe_measured",
    "ripe_synthetic",
    "ripe_published_code",
    *(n for n in choices("network") if "topology" in n),
)


def rows_of(*overrides, draws=1):
    outcome = evaluate(case_of(*overrides), range(draws), range(1))
    assert not outcome.refusals, outcome.refusals[0].reason
    return outcome.rows


def means(rows):
    return {row.metric: row.value for row in rows if np.isnan(row.at)}


def trace():
    rng = np.random.default_rng(1)
    seconds = np.cumsum(rng.exponential(0.4, 1000))
    lines = [
        f"2023-11-16 18:{int(s // 60):02}:{s % 60:010.7f},{rng.integers(10, 4000)},{rng.integers(2, 60)}"
        for s in seconds
    ]
    return "\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines])


def anchors():
    rng = np.random.default_rng(2)
    header = "measure_id,anchor_id,dst_ip,init_time,latency_m1,latency_m2,latency_m3,latency_m4,latitude,longitude"
    lines = [
        f"m,{anchor},10.0.0.1,2024-07-19,{','.join(f'{x:.3f}' for x in rng.uniform(5, 50, 4))},{40 + anchor},{anchor}"
        for anchor in range(12)
        for _ in range(3)
    ]
    return "\n".join([header, *lines]) + "\n"


def ring():
    nodes = [f"{i}_Town {i}.0 50.0" for i in range(12)]
    links = [(i, (i + 1) % 12) for i in range(12)]
    edges = [f"edge_{n} {a} {b} 1 1000000 {900 + n}" for n, (a, b) in enumerate(links + [(b, a) for a, b in links])]
    return (
        "\n".join(["NODES 12", "label x y", *nodes, "", f"EDGES {len(edges)}", "label src dst weight bw delay", *edges])
        + "\n"
    )


@pytest.fixture
def made_up_data(tmp_path, monkeypatch):
    """Replace every data set by a small made-up file and its checksum."""
    real = datasets.data_set

    def small(name):
        entry = real(name)
        text = trace() if name.startswith("azure") else anchors() if name.startswith("ripe") else ring()
        (tmp_path / entry["file"]).write_text(text, newline="")
        return entry | {"sha256": hashlib.sha256((tmp_path / entry["file"]).read_bytes()).hexdigest()}

    monkeypatch.setattr(datasets, "data_set", small)
    monkeypatch.setenv("CHAIN_DATA", str(tmp_path))


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """Simulate a machine without data sets and without a network."""

    def refuse(*_, **__):
        raise OSError("no network in this test")

    monkeypatch.delenv("CHAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)


def test_the_defaults_run_on_made_up_data(made_up_data):
    values = means(rows_of("network=ripe_measured", *SMALL, *FEW_JOBS))
    assert values["response_mean_s"] == pytest.approx(values["waiting_mean_s"] + values["service_mean_s"])
    assert 0 < values["first_token_mean_s"] < values["response_mean_s"]


@pytest.mark.parametrize("network", choices("network"))
def test_networks(network, made_up_data):
    assert means(rows_of(f"network={network}", *SMALL, "evaluator=composition"))["chain_count"] >= 1


@pytest.mark.parametrize("workload", choices("workload"))
def test_workloads(workload, made_up_data, tmp_path):
    few = () if workload in OF_TRACES else FEW_JOBS
    if workload == "trace":
        (tmp_path / "own.csv").write_text(trace())
        few = (f"workload.file={tmp_path / 'own.csv'}", "workload.format=azure")
    values = means(rows_of("network=european", *SMALL, f"workload={workload}", *few))
    assert values["response_mean_s"] > 0


@pytest.mark.parametrize("treatment", ["truncate", "drop", "size_to_trace", "untreated"])
def test_treatments_of_over_long_requests_report_their_share(treatment, made_up_data):
    overrides = ("network=european", "model=llama2_7b", "cluster.server_count=9", "tuning.capacity=3", "demand=native")
    values = means(rows_of(*overrides, "workload=azure_code", f"workload.over_length={treatment}"))
    assert 0 < values["over_length_share"] < 1


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        (group, choice)
        for group in NEEDING_NOTHING
        for choice in choices(group)
        if choice not in (*LISTED, *OF_ONE_CLUSTER)
    ],
)
def test_choices_that_need_nothing_else(group, choice):
    size = ("cluster=nine_servers",) if group == "cluster" else ()
    size = ("cluster.server_count=[9,12]",) if choice == "varied" else size
    size = ("cluster.server_count=20",) if group == "model" else size
    size = ("cluster.server_count=9",) if choice == "equal_split" else size  # seven stages
    size = FEW_EVALUATIONS if choice.startswith("searched") else size
    size = ("model=tiny_llama", "cluster.server_count=9") if choice.startswith("local_") else size
    values = means(rows_of("network=european", *SMALL[1:], *SMALL[:1], f"{group}={choice}", *size, *FEW_JOBS))
    assert values["response_mean_s"] > 0


@pytest.mark.parametrize("cluster", LISTED)
def test_listed_clusters(cluster):
    file = (f"cluster.file={ROOT / 'planner/examples/lab.yaml'}",) if cluster == "inventory" else ()
    values = means(rows_of(f"cluster={cluster}", *file, SMALL[0], *SMALL[2:], *FEW_JOBS))
    assert values["response_mean_s"] > 0


@pytest.mark.parametrize("evaluator", [name for name in choices("evaluator") if name != "endpoint"])
def test_evaluators(evaluator):
    special = {
        "markov": ("model.cache_memory_gb=0.3", "demand.per_s=0.1"),  # few slots
        "gaps": ("workload=synthetic_code",),
        "interference": ("service=steps", "workload=drawn_lengths"),
        "accuracy": ("service=steps", "workload=drawn_lengths"),
    }
    if evaluator == "runtime":
        pytest.importorskip("torch", reason=NEEDS_RUNTIME)
        small = SMALL_RUN
    else:
        small = ("network=european", *SMALL, *special.get(evaluator, ()), *FEW_JOBS)
    assert rows_of(*small, f"evaluator={evaluator}")


def test_the_evaluator_of_endpoints(monkeypatch):
    pytest.importorskip("aiohttp", reason=NEEDS_ENGINES)
    from tests.support.endpoints.fake import Fake, serving

    with serving(Fake()) as fake:
        monkeypatch.setenv("CHAIN_ENDPOINT_URL", fake.url)
        assert means(rows_of(*SMALL_RUN[:-1], "evaluator=endpoint"))["response_mean_s"] > 0


@pytest.mark.parametrize("evaluator", ["simulation", "replay"])
@pytest.mark.parametrize("service", choices("service"))
def test_service_models(service, evaluator):
    words = (f"service={service}", "workload=drawn_lengths", f"evaluator={evaluator}")  # whole tokens suit all
    values = means(rows_of("network=european", *SMALL, *words, *FEW_JOBS))
    assert values["response_mean_s"] == pytest.approx(values["waiting_mean_s"] + values["service_mean_s"])
    assert 0 < values["first_token_mean_s"] < values["response_mean_s"]
    assert ("is_unstable" in values) == (evaluator == "replay")


@pytest.mark.parametrize("metric", choices("metric"))
def test_metrics(metric):
    case = case_of(
        "network=european", *SMALL, f"metric=[{metric}]", "service=steps", "workload=drawn_lengths", *FEW_JOBS
    )
    for kind in ("fast", "slow"):
        case["cluster"][kind] |= {"cost_per_hour": 1, "busy_w": 100}
    rows = evaluate(case, range(1), range(1)).rows
    assert {row.metric for row in rows} & set(case["evaluator"]["metrics"][metric]["reports"])


@pytest.mark.parametrize("service", ["independent", "steps", "steps_decode", "lockstep"])
@pytest.mark.parametrize("tuning", choices("tuning"))
def test_tunings(tuning, service):
    capacities = {"fixed": ("tuning.capacity=3",), "as_published": ("tuning.scheme.tuning.largest=12",)}
    capacity = capacities.get(tuning, ("tuning.largest=12",))
    jobs = ("tuning.objective.job_count=500",) if tuning in ("simulated_mean", "simulated_steps") else ()
    whole_tokens = ("workload=drawn_lengths", *FEW_JOBS, f"service={service}")
    small = ("network=european", *SMALL[:3], f"tuning={tuning}", *capacity, *jobs, *whole_tokens)
    if service in UNKNOWN_TO.get(tuning, ()):
        with pytest.raises(NotApplicableError, match="use "):
            rows_of(*small, "evaluator=composition")
    else:
        assert 1 <= means(rows_of(*small, "evaluator=composition"))["reserved_capacity"] <= 12


@pytest.mark.parametrize("algorithm", [name for name in choices("algorithm") if name not in OF_ONE_CLUSTER])
def test_algorithms_under_step_queues(algorithm):
    size = ("cluster.server_count=9",) if algorithm == "equal_split" else ()  # seven stages
    words = (f"algorithm={algorithm}", "tuning=simulated_steps", "service=steps", "workload=drawn_lengths")
    size = FEW_EVALUATIONS if algorithm.startswith("searched") else size
    size = ("algorithm.placement.most_nodes=1",) if algorithm == "helix" else size
    overrides = ("network=european", *SMALL[:3], *words, *size, "tuning.largest=5", *FEW_JOBS)
    if algorithm in ("bprr_published_code", "proposed_published_code"):
        with pytest.raises(NotApplicableError, match="service=independent with evaluator=simulation"):
            rows_of(*overrides)
    else:
        assert means(rows_of(*overrides))["response_mean_s"] > 0


@pytest.mark.parametrize("demand", choices("demand"))
def test_demands(demand, made_up_data):
    workload = ("workload=azure_code",) if demand == "native" else FEW_JOBS
    overrides = ("network=european", "model=llama2_7b", "cluster.server_count=9", f"demand={demand}", *workload)
    values = means(rows_of(*overrides, "evaluator=composition", "tuning.capacity=7"))
    if demand == "load":
        assert values["load"] == pytest.approx(0.7)
    if demand == "reference":
        assert values["load"] >= 0.5  # of ν at c = 7, which is at most the largest
    if demand == "shared_load":
        assert 0 < values["load"] < 0.5  # of ν, which is above ν'


@pytest.mark.parametrize("data", choices("data"))
@pytest.mark.parametrize("experiment", choices("experiment"))
def test_experiments_run_their_first_point(experiment, data, made_up_data):
    case = case_of(f"experiment={experiment}", f"data={data}")
    if "job_count" in case["workload"]:
        case["workload"]["job_count"] = 300
    if "fast_share" in case["cluster"]:
        case["cluster"]["server_count"] = 10  # as many as fit into the made-up network
        case["cluster"] |= {"fast_share": 0.4, "fast_count": None}
    assert evaluate(case, range(1), range(1)).rows


@pytest.mark.parametrize("published", choices("published"))
def test_published_setups(published, made_up_data):
    small = ("cluster.server_count=10", "cluster.fast_share=0.4", *FEW_JOBS)
    assert means(rows_of(f"published={published}", *small))["response_mean_s"] > 0


def test_every_config_group_is_covered_here():
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    covered = {"network", "workload", "evaluator", "metric", "service", "tuning", "demand", "experiment", "data"}
    covered |= {*NEEDING_NOTHING, "published"}
    covered |= {"hydra"}  # launchers: tests/launchers
    assert groups == covered


@pytest.mark.parametrize("network", OF_DATA)
def test_a_network_without_its_data_says_what_to_do(network, no_data):
    with pytest.raises(DataUnavailableError, match=r"CHAIN_DATA"):
        rows_of(f"network={network}", *SMALL, *FEW_JOBS)


@pytest.mark.parametrize("workload", OF_TRACES)
def test_a_trace_without_its_data_says_what_to_do(workload, no_data):
    with pytest.raises(DataUnavailableError, match=r"CHAIN_DATA"):
        rows_of("network=european", *SMALL, f"workload={workload}")
