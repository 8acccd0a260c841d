"""A repeated command is expanded again only if something that its points depend on has changed."""

import pytest

from store.disk.store import Store
from sweep.expansion import remembered
from sweep.expansion.commands import Point, Sweep
from sweep.expansion.remembered import remembered_sweeps

POINT = Point("a1", {"load": "0.1", "c": "2"}, {"seed": 7, "q": [0.5]})
SWEEP = Sweep("x", ["seed=7"], ["load", "c"], [POINT], 2, 1, [])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the folder of a project with one file."""
    (tmp_path / "project/conf").mkdir(parents=True)
    (tmp_path / "project/conf/config.yaml").write_text("a: 1\n")
    monkeypatch.setattr(remembered, "ROOT", tmp_path / "project")
    return tmp_path / "project"


def expansions(store, project, *commands, sources=None):
    """Return the number of expansions while these commands run."""
    made = []

    def expand():
        made.append(1)
        return [SWEEP]

    for command in commands:
        assert remembered_sweeps(store, command, sources or [project / "conf"], expand) == [SWEEP]
    return len(made)


def test_a_command_is_expanded_once(project, tmp_path):
    store = Store(tmp_path / "store")
    assert expansions(store, project, ["experiment=x"], ["experiment=x"], ["experiment=x", "draws=3"]) == 2
    assert expansions(store, project, ["experiment=x"]) == 0


def test_recorded_and_embedded_data_are_two_commands(project, tmp_path):
    store = Store(tmp_path / "store")
    assert expansions(store, project, ["experiment=x"], ["experiment=x", "data=embedded"]) == 2


def test_a_changed_or_new_file_of_the_project_is_noticed(project, tmp_path):
    store = Store(tmp_path / "store")
    assert expansions(store, project, ["m"]) == 1
    (project / "conf/config.yaml").write_text("a: 2\n")
    assert expansions(store, project, ["m"]) == 1
    (project / "algorithms").mkdir()
    (project / "algorithms/__init__.py").write_text("")
    (project / "algorithms/mine.py").write_text("x = 1\n")
    assert expansions(store, project, ["m"], ["m"]) == 1


def test_configuration_from_elsewhere_is_not_remembered(project, tmp_path):
    store = Store(tmp_path / "store")
    elsewhere = [project / "conf", tmp_path / "mine"]
    assert expansions(store, project, ["m"], ["m"], sources=elsewhere) == 2


def test_a_command_with_a_file_of_ones_own_is_not_remembered(project, tmp_path, monkeypatch):
    own = {"seed": 7, "workload": {"file": "mine.csv", "sha256": "ab"}}
    published = {"seed": 7, "network": [{"file": "public.csv", "address": "https://localhost/public.csv"}]}
    store = Store(tmp_path / "store")
    for case, count in ((own, 2), (published, 1)):
        monkeypatch.setitem(globals(), "SWEEP", SWEEP._replace(points=[Point("a1", {"load": "0.1"}, case)]))
        assert expansions(store, project, [str(case)], [str(case)]) == count
