"""Labels: from the first lines of YAML files in any folder of Hydra into the record of an experiment."""

import pytest

from store.disk.store import Store
from store.tables.labels import labels_in
from sweep.labels import config_folders, label, labels_of
from tests.support.project import CONF, choices, script

DRAWN = ("algorithm", "allocation", "cluster", "constants", "dispatch", "evaluator", "model", "network", "placement")
LONGEST = 35
MINE = """# {}
_target_: hydra.utils.get_object
path: algorithms.dispatch.random_free.RANDOM_FREE
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# JFFC: join the fastest free chain (Alg. 3).\na: 1\n", "JFFC"),
        ("# Proposed, Alg. 1's stop: as printed: no more chains\n", "Proposed, Alg. 1's stop"),
        ("# Join the idle queue.\n", "mine"),
        ("# As in https://example.org/ 12:30\n", "mine"),
        ("_target_: system.ServedModel\n", "mine"),
        ("", "mine"),
    ],
)
def test_a_label_is_the_first_comment_up_to_its_colon(tmp_path, text, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert label(path, "mine") == expected


@pytest.mark.parametrize("group", [*DRAWN, "data", "service", "tuning", "workload"])
def test_labels_of_a_group_are_short_and_differ(group):
    labels = {name: label(CONF / group / f"{name}.yaml", name) for name in choices(group)}
    assert max(map(len, labels.values())) <= LONGEST
    assert len(set(labels.values())) == len(labels)


def test_axes_that_are_no_groups_have_no_labels_and_the_first_folder_counts(tmp_path):
    for folder, word in (("one", "One"), ("other", "Other")):
        (tmp_path / folder / "dispatch").mkdir(parents=True)
        (tmp_path / folder / "dispatch/mine.yaml").write_text(f"# {word}: mine\n")
    points = [{"dispatch": name, "demand.load": "0.3", "evaluator.sm_counts": "1" * 300} for name in ("mine", "jffc")]
    labels = labels_of(points, [tmp_path / "one", tmp_path / "other", CONF])
    assert labels == {"dispatch": {"mine": "One", "jffc": "JFFC"}}
    assert labels_of([{"dispatch@case.dispatch": "jffc"}], [CONF]) == {"dispatch@case.dispatch": {"jffc": "JFFC"}}


def test_config_folders_come_from_files_and_packages():
    sources = [("main", "file", str(CONF)), ("hydra", "pkg", "hydra.conf"), ("schema", "structured", "")]
    folders = config_folders(
        type("Source", (), dict(zip(("provider", "schema", "path"), source, strict=True))) for source in sources
    )
    assert [folder.is_dir() for folder in folders] == [True, True]


def sweep(store, *words):
    settings = (
        "experiment=fig3b",
        "data=embedded",
        "draws=1",
        "workload.job_count=100",
        "demand.load=0.3",
        "constants=paper",
    )
    done = script("run.py", "-m", *words, *settings, "hydra/launcher=basic", "evaluator=simulation", f"store={store}")
    assert done.returncode == 0, done.stderr
    return labels_in(Store(store).experiment("fig3b_embedded"))


@pytest.mark.parametrize("word", ["--config-dir={}", "hydra.searchpath=[file://{}]"])
def test_a_sweep_keeps_labels_from_a_folder_outside_and_notices_changes(tmp_path, word):
    (tmp_path / "conf/dispatch").mkdir(parents=True)
    for text in ("Mine: a policy", "Ours: a policy"):
        (tmp_path / "conf/dispatch/mine.yaml").write_text(MINE.format(text))
        labels = sweep(tmp_path / "store", word.format(tmp_path / "conf"), "dispatch=jffc,mine")
        assert labels("dispatch", "mine") == text.split(":")[0]
        assert labels("dispatch", "jffc") == "JFFC"
        assert labels("constants", "paper") == "constants of the paper"


def test_a_remembered_sweep_has_its_labels(tmp_path):
    first = sweep(tmp_path)
    assert (tmp_path / "expansions").is_dir()
    assert sweep(tmp_path) == first
    assert first("evaluator", "simulation") == "simulation"


def test_an_old_record_has_no_labels():
    assert labels_in({"axes": ["dispatch"]})("dispatch", "jffc") == "jffc"
