"""Stand-ins for recorded data under `data=embedded`."""

import pytest
import yaml

from store.disk.store import EMBEDDED, Store, words_of
from sweep.expansion.embedded import with_stand_ins
from system import InputError
from tests.support.project import CONF, case_of, choices, script

STAND_INS = yaml.safe_load((CONF / "data/embedded.yaml").read_text())


def needs_data(group, choice):
    lines = (CONF / group / f"{choice}.yaml").read_text()
    parent = (yaml.safe_load(lines) or {}).get("defaults", [None])[0]
    return "${dataset:" in lines or (isinstance(parent, str) and needs_data(group, parent))


@pytest.mark.parametrize("group", sorted(path.name for path in CONF.iterdir() if path.is_dir()))
def test_every_choice_that_needs_data_has_a_stand_in_that_needs_none(group):
    stand_ins = STAND_INS["stand_ins"].get(group, {})
    need = {choice for choice in choices(group) if needs_data(group, choice)}
    assert need - {"azure_conversation"} == set(stand_ins)
    assert not any(needs_data(group, stand_in) for stand_in in stand_ins.values())


def test_the_store_knows_the_suffix():
    assert STAND_INS["suffix"] == EMBEDDED
    assert words_of("fig1_embedded") == "experiment=fig1 data=embedded"
    assert words_of("fig1") == "experiment=fig1"


def test_experiments_that_need_no_data_keep_their_points(expand):
    experiments = "experiment=fig4_measured,real_vs_predicted,model_limit"
    recorded, embedded = expand([experiments]), expand([experiments, "data=embedded"])
    assert [sweep.points for sweep in recorded] == [sweep.points for sweep in embedded]


def test_sizes_are_those_of_the_recorded_requests(expand):
    sweeps = expand(["experiment=fig7,table1,real_vs_predicted_trace", "data=embedded"])
    assert [sweep.points[0].case["workload"]["job_count"] for sweep in sweeps] == [8819, 1000, 150]


def test_an_axis_has_each_stand_in_once():
    stand_ins = STAND_INS["stand_ins"]["network"]
    assert with_stand_ins(["ripe_synthetic", "ripe_published_code", "local"], stand_ins) == "european,local"


def test_an_experiment_may_differ_in_more(expand):
    (dry_run,) = expand(["experiment=real_vs_predicted_h200", "data=embedded"])
    case = dry_run.points[0].case
    assert (case["model"]["name"], case["model"]["cache_tokens"]) == ("tiny_llama", 512)
    assert case["demand"] == {"_target_": "algorithms.demand.Rate", "per_s": 1}
    assert dry_run.axes == ["algorithm", "evaluator", "service"]
    (other,) = expand(["experiment=real_vs_predicted_h200", "data=embedded", "demand.per_s=2", "model=tiny_bloom"])
    assert other.points[0].case["demand"]["per_s"] == 2
    assert other.points[0].case["model"]["name"] == "tiny_bloom"


def test_the_command_line_is_never_replaced(expand):
    with pytest.raises(InputError, match="network = ripe_synthetic: needs recorded data"):
        expand(["experiment=fig3b", "data=embedded", "network=european,ripe_synthetic"])
    with pytest.raises(InputError, match=r"workload\.dataset = azure_conversation: is recorded data"):
        expand(["experiment=azure_replay", "data=embedded", "workload=azure_conversation,synthetic_code"])
    with pytest.raises(InputError, match=r"network\.dataset = ripe_atlas_europe: is recorded data"):
        expand(["data=embedded", "experiment.axes={network:[ripe_measured,european]}"])
    words = ["experiment=fig7", "data=embedded", "workload=gamma", "~workload.over_length"]
    (sweep,) = expand([*words, "evaluator=service_times"])
    assert "Gamma" in str(sweep.points[0].case["workload"])


def test_data_is_no_axis_and_no_part_of_a_point(expand):
    with pytest.raises(InputError, match="data = recorded,embedded: is not an axis"):
        expand(["data=recorded,embedded"])
    (embedded,) = expand(["data=embedded", "case.seed=7"])
    (recorded,) = expand(["network=european", "case.seed=7"])
    assert embedded.experiment == "unnamed_embedded"
    assert embedded.points == recorded.points
    assert embedded.fixed == ["case.seed=7"]


def test_a_single_point_is_one_of_the_sweep(expand, tmp_path):
    words = ("experiment=table1", "data=embedded", "workload.job_count=100")
    done = script("run.py", *words, "draws=1", f"store={tmp_path}")
    assert done.returncode == 0, done.stderr
    (point,) = (path.name.split(".")[0] for path in (tmp_path / "points").iterdir())
    (sweep,) = expand([*words, "algorithm=proposed", "constants=paper", "workload.over_length=truncate"])
    assert [point] == [swept.identity for swept in sweep.points if swept.axes["evaluator"] == "replay"]
    assert "`python run.py -m experiment=table1 data=embedded` runs the experiment" in done.stdout
    assert case_of(*words)["workload"]["job_count"] == 100


def test_a_stand_in_that_nothing_uses_is_no_mistake_of_the_user(tmp_path):
    words = ("data=embedded", "cluster=typed", "draws=1", "workload.job_count=1000", f"store={tmp_path}")
    assert script("run.py", *words).returncode == 0
    done = script("run.py", *words, "network=european")
    assert done.stderr.startswith("error: network = european: nothing uses it")


def test_a_sweep_may_set_keys_that_only_a_stand_in_has(tmp_path):
    words = ("experiment=table1", "data=embedded", "workload.job_count=100", "algorithm=proposed", "draws=1")
    done = script("run.py", "-m", *words, "constants=paper", "hydra/launcher=basic", f"store={tmp_path}")
    assert done.returncode == 0, done.stderr
    sweep = Store(tmp_path).experiment("table1_embedded")
    assert sweep["fixed"] == ["workload.job_count=100"]
    assert done.stdout.startswith("table1_embedded (workload.job_count=100)")
