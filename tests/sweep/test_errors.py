"""Bad input to commands: one sentence with field, value and remedy, a non-zero exit, a traceback only on request."""

import os
import sys

import pytest

from store.disk.store import Store
from sweep.errors import one_sentence_errors, require_stored
from system import InputError
from system.command.boundary import PIPE_CLOSED
from tests.support.project import CONF, command, script

BAD = {
    ("demand.per_s=-1",): "per_s = -1: must be a finite number above 0",
    ("nonsense=3",): "Could not override 'nonsense': there is no such key; `python run.py --cfg job` shows all",
    ("network=mars",): (
        "Could not find 'network/mars'. Available options in 'network': european, local, log_uniform, ripe_measured"
    ),
    ("evaluator=exact", "demand.per_s=50"): "arrival_rate_per_s = 50: must be below the total service rate",
    ("cluster.server_count=2",): "no chain: no server hosts 52 of 70 blocks, the first of them block 18",
    ("cluster.server_count=0",): "server_count = 0: must be a whole number of at least 1",
    ("tuning.capacity=0",): "capacity = 0: must be a whole number of at least 1",
    ("model.block_memory_gb=nan",): "model.block_memory_gb = nan: must be a finite number",
    ("workload=gamma", "workload.arrivals.cv=-1"): "cv = -1",
    ("evaluator.warm_up=1",): "warm_up = 1: must be a share of the jobs, at least 0 and below 1",
    ("placement.stop_rule=never",): "stop_rule = never: choose one of max_chains, required_rate",
    ("placement.stop_rul=x",): "Could not override 'placement.stop_rul': there is no such key",
    ("+placement.rule=x",): "placement.rule = x: there is no such key; did you mean stop_rule",
    ("draws=0",): "draws = 0: must be a whole number of at least 1",
    ("replications=1.5",): "replications = 1.5: must be a whole number",
    ("demand.per_s=abc",): "demand.per_s = abc: must be a number",
    ("evaluator.warm_up=abc",): "evaluator.warm_up = abc: must be a number or one of mser",
    ("case.target_load=abc",): "case.target_load = abc: must be a number",
    ("workload.input_tokens=abc",): "workload.input_tokens = abc: must be a number",
    ("model.cache_memory_gb=1e-30",): "model.cache_memory_gb = 1e-30: must be 0 or at least 1e-15; check the unit",
    ("cluster.fast=5",): "cluster.fast = 5: must be the configuration of a GpuProfile",
    ("case.evaluator=null",): "case.evaluator = null: must be the configuration of an Evaluator",
    ("workload.job_count=abc",): "workload.job_count = abc: must be a whole number",
    ("cluster.fast_share=0.1:0.4",): "cluster.fast_share = 0.1:0.4: must be a number or null",
    ("evaluator.quantiles=0.5",): "evaluator.quantiles = 0.5: must be a list, each a number",
    ("demand=native",): "this workload has no rate of its own; use demand=rate demand.per_s=...",
    ("demand=load", "demand.load=1.5"): "load = 1.5: must lie between 0 and 1",
    ("metric=[slowdown,mars]",): "metric = mars: there is no such file; `python run.py metric=mars` lists the choices",
    ("data=mars",): "Could not find 'data/mars'. Available options in 'data': available, embedded, recorded",
    ("experiment=fig1_embedded",): "fig1_embedded.yaml: there is no such file; write experiment=fig1 data=embedded",
    ("data=embedded", "network=ripe_measured"): (
        "network = ripe_measured: needs recorded data, which data=embedded does without; write network=european"
    ),
    ("data=embedded", "workload=azure_conversation"): (
        "workload.dataset = azure_conversation: is recorded data, which data=embedded does without; choose another"
    ),
    ("network=european", "cluster=typed"): (
        "network = european: nothing uses it, as cluster=typed has values of its own; leave network out"
    ),
    ("workload=trace",): "file = None: name a file, such as workload.file=requests.csv",
    ("workload=trace", "workload.file=no.csv"): "file = no.csv: there is no such file; paths start where the command",
    ("demand.per_s=[1",): "demand.per_s = [1: is not understood; close all quotes and brackets",
    ("cluster=null",): "cluster = null: must be the name of a file in conf/cluster, without .yaml",
    ("~cluster",): "case.cluster = ${cluster}: cannot be resolved (Interpolation key 'cluster' not found); write a",
    ("store=",): "store = '': must be the path of a file or folder",
    ("demand.per_s=1,2",): "demand.per_s = 1,2: are several values; write -m before them to sweep",
    ("hydra.sweeper.workers=abc",): "hydra.sweeper.workers = abc: must be a whole number",
    ("worker=null",): "worker = null: must keep its keys; set one of them",
}


@pytest.mark.parametrize("overrides", BAD, ids=" ".join)
def test_bad_input_is_one_sentence(overrides, tmp_path):
    network = () if any(text.startswith("network=") for text in overrides) else ("network=european",)
    done = script("run.py", *network, "draws=1", f"store={tmp_path}", *overrides)
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if not line.startswith("compiling, ")]
    assert sentence.startswith("error: ")
    assert BAD[overrides] in sentence


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        ("# @package _global_\n", "experiment/mine.yaml: must begin with the line `# @package _global_`"),
        ("  name: mine\n", "experiment = mine: its file must begin with the line `# @package _global_` and set"),
    ],
)
@pytest.mark.parametrize("multirun", [(), ("-m",)])
def test_a_file_that_is_no_experiment(removed, message, multirun, tmp_path):
    text = (CONF / "experiment/fig2.yaml").read_text().replace("name: fig2", "name: mine")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(text.replace(removed, ""))
    words = ("--config-dir", tmp_path, "experiment=mine", "data=embedded", "draws=1", f"store={tmp_path / 'store'}")
    done = script("run.py", *multirun, *words)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("cluster", "word", "message"),
    [
        ("cluster=typed", "cluster.servers=5", "cluster.servers = 5: must be a list of servers"),
        ("cluster=typed", "cluster.servers=null", "cluster.servers = None: must be a list of servers"),
        (
            "cluster=typed",
            "cluster.profiles={}",
            "gpu of server number 1: cluster.profiles = h100_sxm: unknown; choose one of",
        ),
        ("cluster=inventory", "cluster.file=5", "cluster.file = 5: must be the path of a file"),
    ],
)
def test_bad_lists_of_servers(cluster, word, message, tmp_path):
    done = script("run.py", "data=embedded", cluster, word, f"store={tmp_path}")
    assert done.stderr.startswith(f"error: {message}")


def test_one_configuration_of_a_sweep_is_not_shown():
    done = script("run.py", "-m", "experiment=fig2", "--cfg", "job")
    assert done.stderr.startswith("error: --cfg = job: shows one point; leave -m out, or write --dry-run")


def test_a_traceback_is_shown_on_request(tmp_path):
    words = ("run.py", "network=european", "demand.per_s=-1", f"store={tmp_path}")
    assert "Traceback" in command(*words, HYDRA_FULL_ERROR="1").stderr


def test_a_figure_of_an_experiment_that_was_not_run(tmp_path):
    done = command("plot.py", "fig3b", "--store", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: experiment = fig3b: not in {tmp_path}; run `python run.py -m experiment=fig3b` first\n"
    )


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = command("run.py", "network=european", "draws=1", f"store={tmp_path / 'file'}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: store = {tmp_path / 'file'}: cannot write ")


@pytest.mark.parametrize(
    ("launcher", "module"), {"slurm": "hydra_plugins.hydra_submitit_launcher", "ray": "ray"}.items()
)
def test_a_launcher_that_is_not_installed(launcher, module, tmp_path):
    shadow = tmp_path.joinpath(*module.split("."), "__init__.py")
    shadow.parent.mkdir(parents=True)
    shadow.write_text("raise ImportError" if launcher == "ray" else "")
    words = ("run.py", "-m", "network=european", "draws=1", f"hydra/launcher={launcher}", f"store={tmp_path / 'store'}")
    done = command(*words, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f'error: hydra/launcher = {launcher}: not installed; pip install -e ".[{launcher}]" in the project\'s folder\n'
    )


def test_warnings_of_other_packages_are_shown(tmp_path):
    script = (
        "import importlib, warnings, sweep.errors as errors",
        "with errors.one_sentence_errors():",
        "    importlib.reload(errors)",  # as Hydra does when it looks for plugins
        "    warnings.warn('heed this')",
    )
    assert command("-c", "\n".join(script)).stderr == "warning: heed this\n"


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_command_whose_output_nobody_reads_ends_silently(lines, monkeypatch, capfd):
    """Check output of less and of more than a buffer."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setenv("SERVER_CHAINS_ONE_SENTENCE", "1")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as end, one_sentence_errors():
            pipe.write("a line\n" * lines)
    assert end.value.code == PIPE_CLOSED
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fig8", r"fig8: not in .*; run `python run\.py -m experiment=fig8` first$"),
        ("fig8_embedded", r"run `python run\.py -m experiment=fig8 data=embedded` first$"),
        ("mina", r"experiment = mina: not in .*; choose mine$"),
        ("unlike", r"experiment = unlike: not in .*; choose fig3b or mine$"),
    ],
)
def test_an_experiment_that_is_not_stored_gets_a_remedy_that_works(tmp_path, name, message):
    store = Store(tmp_path)
    for stored in ("mine", "fig3b"):
        store.write_experiment(stored, {"points": [], "axes": [], "fixed": [], "draws": 1, "replications": 1})
    require_stored(["mine", "fig3b"], store)
    with pytest.raises(InputError, match=message):
        require_stored(["mine", name], store)
