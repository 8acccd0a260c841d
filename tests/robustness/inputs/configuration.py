"""Bad values of configurations: of parts, keys, counts, axes, references and words of a command."""

from functools import cache

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from hardware_profiles.networks.local import Local
from run import words_for_hydra
from sweep.expansion.commands import Expansion
from sweep.instantiate import evaluate, require_valid
from tests.robustness.bad_input import BadInput
from tests.support.changes import changed
from tests.support.project import CONF, case_of

TYPE, BOUND, UNIT, MEMORY, PYTHON = (
    "null or wrong type",
    "no upper bound",
    "boolean or unit",
    "out of memory",
    "python sentence",
)


@cache
def plain_case(choice):
    return case_of("network=european", "model=tiny_llama", *([choice] if choice else []))


def make(key, value, choice=None):
    return lambda folder: require_valid([changed(plain_case(choice), key.removeprefix("case."), value)], [])


def expand(*words):
    """Return a run that expands the words of a sweep."""

    def run(folder):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
        return Expansion(loader, "config").sweeps(["network=european", *words])

    return run


def command(*words):
    return lambda folder: words_for_hydra(list(words))


NULL_OR_TYPE = (  # key, value, how it is echoed, remedy, a choice that has the key
    ("cluster.slow", 5, "5", "the configuration of a GpuProfile"),
    ("cluster.fast", None, "null", "the configuration of a GpuProfile"),
    ("cluster.network", "local", "local", "the configuration of a Network"),
    ("cluster.network", {"_target_": "pathlib.Path"}, "pathlib.Path", "the configuration of a Network"),
    ("cluster.profile", None, "null", "the configuration of a GpuProfile", "cluster=local_pair"),
    ("cluster.server_count", True, "true", "a whole number"),
    ("cluster.server_count", 1.5, "1.5", "a whole number"),
    ("cluster.server_count", [20], "[20]", "a whole number"),
    ("cluster.fast_share", "abc", "abc", "a number or null"),
    ("cluster.fast_servers", None, "null", "text"),
    ("cluster.memory_budget_gb", [40], "[40]", "[a number, a number]"),
    ("cluster.prefill_overhead_s", {}, "{}", "a number"),
    ("cluster.profiles", [], "[]", "a mapping, each value the configuration of a GpuProfile", "cluster=typed"),
    ("case.cluster", None, "null", "the configuration of a Cluster"),
    ("case.workload", 5, "5", "the configuration of a Workload"),
    ("case.algorithm", "proposed", "proposed", "the configuration of a Scheme"),
    ("case.evaluator", [], "[]", "the configuration of an Evaluator"),
    ("case.seed", "abc", "abc", "a whole number"),
    ("case.seed", -1, "-1", "a whole number from 0"),
    ("case.random_numbers", 5, "5", "the configuration of a function"),
    ("random_numbers.node_count", 0, "0", "at least 1", "random_numbers=published_code"),
    ("algorithm.tuning.objective.chains", "some", "some", "must be one of needed, all", "tuning=surrogate"),
    ("workload.first_at_zero", 1, "1", "true or false"),
    ("case.target_load", 1.5, "1.5", "must lie between 0 and 1"),
    ("workload.job_count", 1e3, "1000.0", "a whole number; write 1000"),
    ("workload.arrivals", "poisson", "poisson", "the configuration of an ArrivalProcess"),
    ("workload.size_cv", "normal", "normal", "a number"),
    ("workload.size_cv", -1, "-1", "0 for constant sizes"),
    ("demand.per_s", "nan", "nan", "a number"),
    ("model.name", 7, "7", "text"),
    ("model.block_memory_gb", "1 GB", "1 GB", "a number"),
    ("algorithm.placement", 5, "5", "the configuration of a function"),
    ("algorithm.placement.last_server", None, "null", "text"),
    ("algorithm.placement.last_server", "half", "half", "must be one of whole, truncated"),
    ("algorithm.dispatch", None, "null", "the configuration of a Dispatch"),
    ("algorithm.tuning.capacity", "x", "x", "a whole number"),
    ("algorithm.placement.small_server_block_cap", "four", "four", "a whole number or null", "algorithm=petals"),
    ("algorithm.placement.measured_tokens_per_s", 5, "5", "a list, each a list, each a number", "algorithm=petals"),
    ("algorithm.occupancy", "seen", "seen", "one of present, believed, believed_without_wait", "algorithm=bprr"),
    ("algorithm.waiting", None, "null", "one of fcfs, first_fit, backoff, central, planned", "algorithm=petals"),
    ("algorithm.wait_estimate", "mean", "mean", "one of order_statistic, mean_over_present", "algorithm=bprr"),
    ("algorithm.foreseen", "maybe", "maybe", "true or false", "algorithm=bprr"),
    ("algorithm.penalty", 10, "10", "text", "algorithm=petals"),
    ("evaluator.quantiles", 0.5, "0.5", "a list, each a number"),
    ("evaluator.quantiles", ["x"], "['x']", "a list, each a number"),
    ("evaluator.slos", 5, "5", "a mapping, each value a mapping, each value a number or null"),
    ("evaluator.service", "steps", "steps", "the configuration of a ServiceModel"),
    ("evaluator.weights", -1, "-1", "0 or above", "evaluator=runtime"),
    ("evaluator.loads", 0.5, "0.5", "a list, each a number", "evaluator=accuracy"),
    ("cluster.communication_factor", 0.5, "0.5", "[a number, a number]", "cluster=varied"),
    ("algorithm.tuning.finalists", 2.5, "2.5", "a whole number", "tuning=simulated_steps"),
    ("algorithm.tuning.objective.service", "steps", "steps", "the configuration of a Service", "tuning=interference"),
    ("algorithm.dispatch.weight", "half", "half", "a number", "dispatch=least_work"),
    ("evaluator.addresses", "tcp://a:1", "tcp://a:1", "a list, each text", "evaluator=runtime"),
    ("evaluator.engine", "ssh", "ssh", "one of pipe, local, zeromq, ray", "evaluator=runtime"),
    ("evaluator.url", "localhost", "localhost", "the address of an API, such as http", "evaluator=endpoint"),
    ("evaluator.url", "http://me:pw@host/v1", "url", "no user, password or query", "evaluator=endpoint"),
    ("evaluator.key_variable", "sk-0123", "key_variable", "name of an environment variable", "evaluator=endpoint"),
    ("evaluator.key_variable", "NO_SUCH_KEY", "key_variable", "name of an environment variable", "evaluator=endpoint"),
    ("evaluator.loop", "ajar", "ajar", "one of open, closed", "evaluator=endpoint"),
    ("evaluator.users", 0, "0", "at least 1", "evaluator=endpoint"),
    ("evaluator.vocabulary", [10, 5], "[10, 5]", "the first one smaller", "evaluator=endpoint"),
    ("evaluator.options", {"stream": False}, "stream", "follow from the jobs", "evaluator=endpoint"),
    ("evaluator.prompt", "chat", "chat", "one of tokens, text", "evaluator=endpoint"),
)
BOOLEANS = tuple(
    (f"evaluator.{key}", value, echoed, "true or false", "evaluator=runtime")
    for key, value, echoed in (
        ("reroute", "maybe", "maybe"),
        ("reroute", 1, "1"),
        ("reroute", "yes", "yes"),
        ("pace", None, "null"),
        ("cuda_graphs", [], "[]"),
    )
)
UNITS = (
    ("cluster.prefill_overhead_s", 18, "18", "at most 10.0; check the units"),
    ("cluster.fast.memory_gb", 24576, "24576", "check the unit"),
    ("cluster.fast.prefill_tflops", 125e12, "125000000000000.0", "check the unit"),
    ("cluster.fast.bandwidth_gb_per_s", 600e9, "600000000000.0", "check the unit"),
    ("cluster.network.access_max_ms", 1e12, "1000000000000.0", "check the unit"),
    ("model.cache_memory_gb", 1e-30, "1e-30", "0 or at least 1e-15; check the unit"),
    ("model.block_memory_gb", 1.32e9, "1320000000.0", "check the unit"),
    ("demand.per_s", 1e12, "1000000000000.0", "check the unit"),
    ("evaluator.service.request_delay_s", 70, "70", "at most 10.0; check the units"),
    ("evaluator.service.request_delay_s", -0.1, "-0.1", "must be a finite number, 0 or above"),
    ("evaluator.service.handling_s", 250, "250", "at most 10.0; check the units", "service=steps"),
)
BOUNDS = (
    ("case.seed", int("1234567890" * 4 + "1"), "12345678901234567890123456789012345678901", "at most 18,446,744"),
    ("cluster.server_count", 10**12, "1000000000000", "at most 1,000,000"),
    ("cluster.capacity", 10**12, "1000000000000", "at most 1,000,000,000", "cluster=local_pair"),
    ("model.block_count", 10**9, "1000000000", "at most 1,000"),
    ("model.cache_tokens", 10**12, "1000000000000", "at most 1,000,000,000"),
    ("workload.job_count", 10**11, "100000000000", "at most 10,000,000,000"),
    ("workload.job_count", 10**400, "1000000000", "at most 18,446,744"),
    ("workload.output_tokens", 1e13, "10000000000000.0", "at most 1,000,000,000"),
    ("workload.arrivals.cv", 1e200, "1e+200", "at most 1,000,000,000,000,000", "workload=gamma"),
    ("algorithm.allocation.most_per_chain", 10**15, "1000000000000000", "at most 1,000,000,000", "allocation=gca"),
    ("algorithm.tuning.capacity", 10**15, "1000000000000000", "at most 1,000,000,000"),
    ("algorithm.tuning.finalists", 10**9, "1000000000", "at most 1,000,000", "tuning=simulated_steps"),
    ("evaluator.trials", 10**12, "1000000000000", "at most 1,000,000", "evaluator=reservations"),
    ("evaluator.points", 10**10, "10000000000", "at most 1,000,000", "evaluator=service_times"),
    ("evaluator.repetitions", 10**10, "10000000000", "at most 1,000,000", "evaluator=cost"),
    ("evaluator.threads", 10**6, "1000000", "at most 10,000", "evaluator=runtime"),
    ("evaluator.users", 10**6, "1000000", "at most 10,000", "evaluator=endpoint"),
    ("algorithm.tuning.objective.job_count", 10**12, "1000000000000", "at most 10,000", "tuning=simulated_mean"),
)
PYTHON_SENTENCES = (
    ("algorithm.placement.rule", "x", "x", "there is no such key"),
    ("model._target_", "no.thing", "no.thing", "names no class or function"),
    ("model._target_", "system", "system", "names nothing that can be called"),
    ("algorithm.allocation.allocate.path", 5, "5", "names no class or function", "allocation=gca"),
    ("algorithm.allocation.allocate.path", "a.b", "a.b", "names no class or function", "allocation=gca"),
    ("cluster.fast.source", "${oc.env:HOME}", "${oc.env:HOME}", "write its value"),
)
SWEEPS = (  # kind, name, words, field, value, remedy
    (
        BOUND,
        "a range of 10^9 values",
        ["tuning.capacity=range(1,1000000000)"],
        "tuning.capacity",
        "range(1,",
        "100,000",
    ),
    (
        BOUND,
        "10^10 points",
        ["tuning.capacity=range(1,9999)", "demand.per_s=range(1,9999)"],
        "points",
        "9",
        "1,000,000",
    ),
    (BOUND, "an axis of 10^6 characters", [f"demand.per_s={'1,' * 500_000}2"], "demand.per_s", "1,1", "characters"),
    (BOUND, "10^12 draws", ["draws=1000000000000"], "draws", "1000000000000", "at most 1,000,000"),
    (BOUND, "draws times replications", ["draws=99999", "replications=99999"], "draws times", "9999", "10,000,000"),
    (TYPE, "draws of null", ["draws=null"], "draws", "null", "a whole number"),
    (TYPE, "workers of a word", ["experiment.workers=abc"], "experiment.workers", "abc", "a whole number or null"),
    (TYPE, "axes of a number", ["experiment.axes=5"], "experiment.axes", "5", "must be a mapping"),
    (TYPE, "an axis of null choices", ["experiment.axes={evaluator:[null]}"], "evaluator", "null", "name of a file"),
    (TYPE, "a store of null", ["store=null"], "store", "null", "must be text"),
    (TYPE, "stand-ins of a number", ["data.stand_ins=5"], "data.stand_ins", "5", "must be a mapping"),
    (TYPE, "a case of null", ["case=null"], "case", "null", "must keep its keys"),
    (TYPE, "a deleted key", ["~draws"], "draws", "missing", "give it a value"),
    (PYTHON, "a deleted group", ["~model"], "case.model", "${model}", "cannot be resolved"),
    (
        PYTHON,
        "a self-reference",
        ["model.name=${model.name}"],
        "model.name",
        "${model.name}",
        "write a value",
    ),
    (PYTHON, "an unknown reference", ["model.name=${no}"], "model.name", "${no}", "'no' not found"),
    (PYTHON, "an unknown resolver", ["model.name=${no:1}"], "model.name", "${no:1}", "cannot be resolved"),
    (PYTHON, "an unset variable", ["model.name=${oc.env:NO_SUCH}"], "model.name", "${oc.env", "'NO_SUCH' not found"),
)
WORDS = (
    (TYPE, "a cluster of null", ["cluster=null"], "cluster", "null", "name of a file in conf/cluster"),
    (TYPE, "an evaluator of 5", ["evaluator=5"], "evaluator", "5", "name of a file in conf/evaluator"),
    (TYPE, "an empty experiment", ["-m", "experiment="], "experiment", "", "name of a file in conf/experiment"),
    (TYPE, "a list of experiments", ["experiment=[fig1,fig2]"], "experiment", "fig2", "choose one"),
    (PYTHON, "a quote left open", ['model.name="abc'], "model.name", '"abc', "close all quotes and brackets"),
    (PYTHON, "a bracket left open", ["demand.per_s=[1"], "demand.per_s", "[1", "close all quotes and brackets"),
    (PYTHON, "shell characters", ["model.name=$(id)"], "model.name", "$(id)", "write other characters in quotes"),
    (PYTHON, "10,000 brackets", [f"model.name={'[' * 10_000}"], "model.name", "[[[", "inside each other"),
    (PYTHON, "a word without a value", ["demand"], "demand", "", "is no key=value"),
    (PYTHON, "a value without a key", ["=5"], "=5", "", "is no key=value"),
    (PYTHON, "several values", ["demand.per_s=1,2"], "demand.per_s", "1,2", "write -m before them"),
    (BOUND, "a megabyte of text", [f"model.name={'x' * 10**6}"], "model.name", "xxx...xxx", "at most 131,072"),
)


def of_case(kind, table):
    """Yield a row for each value that a case cannot have."""
    for key, value, echoed, remedy, *choice in table:
        name = f"{key} of {str(value)[:40]} {''.join(choice)}"
        yield BadInput(kind, name, make(key, value, *choice), key, echoed, remedy)


BAD = (
    *of_case(TYPE, NULL_OR_TYPE),
    *of_case(UNIT, BOOLEANS + UNITS),
    *of_case(BOUND, BOUNDS),
    *of_case(PYTHON, PYTHON_SENTENCES),
    *(BadInput(kind, name, expand(*words), *rest) for kind, name, words, *rest in SWEEPS),
    *(BadInput(kind, name, command(*words), *rest) for kind, name, words, *rest in WORDS),
    BadInput(
        MEMORY,
        "10^10 jobs at once",
        lambda folder: evaluate(changed(plain_case(None), ["workload", "job_count"], 10**10), range(1), range(1)),
        "job_count",
        "10000000000",
        "or evaluator=simulation_stream",
    ),
    BadInput(
        TYPE,
        "a share and a count",
        make("cluster.fast_count", 3),
        "cluster.fast_share",
        "0.2",
        "give exactly one of them",
    ),
    BadInput(
        UNIT,
        "a round trip in milliseconds",
        lambda folder: Local(rtt_s=30.0),
        "rtt_s",
        "30.0",
        "at most 10.0; check the units",
    ),
)
