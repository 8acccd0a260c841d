"""Experiments under `data=available`: recorded data where it can be had, else the embedded variant."""

import pytest

from store.disk.store import EMBEDDED_DATA
from sweep.expansion.available import available_sweeps
from sweep.expansion.embedded import data_sets
from system import DataUnavailableError
from tests.support.project import script
from workloads import datasets
from workloads.datasets import DataSet

PREFERENCE = ("recorded", "embedded")


@pytest.fixture
def machine(monkeypatch):
    """Return the data sets that can be had, and those asked for."""
    available, asked_for = set(), []

    def path(self):
        asked_for.append(self.name)
        if self.name not in available:
            raise DataUnavailableError(f"{self.name} is not on this machine: remedy")

    monkeypatch.setattr(DataSet, "path", path)
    return available, asked_for


def names_of(sweep):
    return {entry["name"] for point in sweep.points for _, entry in data_sets(point.case)}


def test_an_experiment_without_its_data_has_the_points_of_its_embedded_variant(machine, expand):
    sweeps, notes = available_sweeps(["experiment=fig2,fig4,table1", "draws=3"], PREFERENCE, expand)
    assert [sweep.experiment for sweep in sweeps] == ["fig2_embedded", "fig4", "table1_embedded"]
    wanted = expand(["experiment=fig2,table1", "data=embedded", "draws=3"])
    assert [sweep._replace(notes=[]) for sweep in sweeps[::2]] == [sweep._replace(notes=[]) for sweep in wanted]
    assert notes == [
        "ripe_atlas_europe is not on this machine: remedy",
        "azure_code is not on this machine: remedy",
        "fig2_embedded stands in for fig2, as ripe_atlas_europe cannot be had",
        "table1_embedded stands in for table1, as ripe_atlas_europe and azure_code cannot be had",
    ]
    assert [sweep.notes[-1:] for sweep in sweeps] == [notes[2:3], [], notes[3:]]


def test_an_experiment_with_its_data_is_on_recorded_data(machine, expand):
    available, asked_for = machine
    available.add("ripe_atlas_europe")
    sweeps, notes = available_sweeps(["experiment=fig2,table1"], PREFERENCE, expand)
    assert [sweep.experiment for sweep in sweeps] == ["fig2", "table1_embedded"]
    assert sweeps[0] == expand(["experiment=fig2", "data=recorded"])[0]
    assert len(notes) == 2
    assert sorted(asked_for) == sorted([*names_of(sweeps[0]), *names_of(*expand(["experiment=table1"]))])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["experiment=fig2", "network=ripe_synthetic"], "network = ripe_synthetic: needs recorded data"),
        (["experiment=azure_replay", "workload=azure_conversation"], "workload.dataset = azure_conversation: is rec"),
        (["experiment=table1", "workload.first=500"], "Could not override 'workload.first': there is no such key"),
    ],
    ids=lambda words: words[-1],
)
def test_what_the_command_line_chooses_is_left_out_and_never_replaced(machine, expand, words, why):
    sweeps, notes = available_sweeps(words, PREFERENCE, expand)
    assert [sweep._replace(notes=[]) for sweep in sweeps] == [
        sweep._replace(notes=[]) for sweep in expand([*words, "data=recorded"])
    ]
    assert notes[-1].startswith(f"{sweeps[0].experiment}: left out where it needs data, as ")
    assert f"cannot be had and it has no embedded variant ({why}" in notes[-1]
    assert notes[-1].endswith(sweeps[0].notes[-1])


def test_a_sweep_without_data_says_so_wherever_its_results_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_unreachable", {})
    for name, value in {
        "XDG_CACHE_HOME": "/dev/null",
        "TMPDIR": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CHAIN_DATA", raising=False)
    store, figures, rows = tmp_path / "store", tmp_path / "figures", tmp_path / "rows"
    words = ("experiment=fig2,fig4", "data=available", "draws=2", "hydra/launcher=basic", f"store={store}")
    swept = script("run.py", "-m", *words)
    assert swept.returncode == 0, swept.stderr
    assert "note: ripe_atlas_europe is not on this machine and cannot be downloaded" in swept.stderr
    stands_in = "fig2_embedded stands in for fig2, as ripe_atlas_europe cannot be had"
    assert f"note: {stands_in}\n" in swept.stderr
    assert f"    {EMBEDDED_DATA}\n    {stands_in}\n" in swept.stdout
    assert swept.stdout.count(EMBEDDED_DATA) == 1
    drawn = script("plot.py", "--store", store, "--to", figures, "--rows", rows)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.count(EMBEDDED_DATA) == 1
    assert {path.name for path in rows.iterdir()} == {"fig2_embedded.csv", "fig4.csv", "provenance.yaml"}
    assert EMBEDDED_DATA in (rows / "provenance.yaml").read_text()
    assert EMBEDDED_DATA in (figures / "fig2_embedded.svg").read_text()
    assert EMBEDDED_DATA not in (figures / "fig4.svg").read_text()
    assert (
        f"fig2_embedded: 2 draws; network European; workload SyntheticWorkload; {EMBEDDED_DATA}"
        in (figures / "claims.md").read_text()
    )
    report = script("plot.py", "report", "fig2", "--store", store, "--to", figures)
    assert report.returncode == 0, report.stderr
    assert f"note: fig2: only fig2_embedded is stored, on {EMBEDDED_DATA}\n" in report.stderr
    assert (figures / "report.html").read_text().count(EMBEDDED_DATA) == 1
