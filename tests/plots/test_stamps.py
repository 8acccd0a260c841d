"""Outputs that would come out the same are not made again; outputs that changed are."""

import json
import shutil

import pandas as pd
import pytest

from plots import making, stamps
from plots.files import Request
from plots.outputs import Experiment, ReferenceRows, outputs_of
from plots.stamps import FILE, Made, Stamps, hash_of
from store.tables.reading import load_results
from store.tables.reference import reference_rows
from tests.support.project import script

NAMES = ("fig2_embedded", "fig5_embedded")
SMALL = ("draws=2", "hydra/launcher=basic")


def sweep(store, *words, names=NAMES):
    experiments = ",".join(name.removesuffix("_embedded") for name in names)
    done = script("run.py", "-m", f"experiment={experiments}", "data=embedded", *SMALL, f"store={store}", *words)
    assert done.returncode == 0, done.stderr


def plot(folder, *words):
    """Run plot.py; return its lines up to the verdicts by their first word."""
    done = script("plot.py", "--store", folder / "store", "--to", folder / "fig", "--rows", folder / "rows", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n\n")[0].splitlines()
    return {line.split()[0]: line for line in lines if not line.startswith(" ")}


def unchanged(lines):
    return {name for name, line in lines.items() if line.endswith("(unchanged)")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a store and its figures, made once."""
    folder = tmp_path_factory.mktemp("made")
    sweep(folder / "store")
    assert unchanged(plot(folder)) == set()
    return folder


@pytest.fixture
def drawn(made, tmp_path):
    """Yield the same folder, and restore it after the test.

    Its path stays the same, so its stamps stay valid.
    """
    shutil.copytree(made, tmp_path / "before")
    yield made
    shutil.rmtree(made)
    shutil.copytree(tmp_path / "before", made)


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in (*(folder / "fig").iterdir(), *(folder / "rows").iterdir())}


def test_nothing_is_made_again_and_no_process_starts(drawn, monkeypatch):
    monkeypatch.setattr(making, "ProcessPoolExecutor", None)
    before = times(drawn)
    lines = plot(drawn)
    assert unchanged(lines) == {*NAMES, "claims", "benchmarks"}
    assert "points: " in lines["fig2_embedded"]
    assert f"{drawn / 'fig' / 'fig2_embedded.png'} (unchanged)" in lines["fig2_embedded"]
    assert times(drawn) == before


def test_redraw_makes_everything_again(drawn):
    before = times(drawn)
    assert unchanged(plot(drawn, "--redraw")) == set()
    changed = {name for name, time in times(drawn).items() if time != before[name]}
    assert changed == set(before)


def test_missing_or_edited_files_are_made_again(drawn):
    (drawn / "fig/fig2_embedded.svg").write_text("edited")
    (drawn / "rows/fig5_embedded.csv").unlink()
    assert unchanged(plot(drawn)) == {"fig5_embedded", "claims", "benchmarks"}
    assert (drawn / "fig/fig2_embedded.svg").stat().st_size > 5000
    assert (drawn / "rows/fig5_embedded.csv").is_file()


def test_new_rows_are_drawn_again_with_the_ledger_that_uses_them(drawn):
    sweep(drawn / "store", "draws=3", names=("fig2_embedded",))
    assert unchanged(plot(drawn)) == {"fig5_embedded", "benchmarks"}
    assert set(pd.read_csv(drawn / "rows/fig2_embedded.csv")["draws"]) == {3}
    assert len(unchanged(plot(drawn))) == 4


def test_same_rows_computed_again_are_not_drawn_again(drawn):
    shutil.rmtree(drawn / "store")
    sweep(drawn / "store")
    assert unchanged(plot(drawn)) == {*NAMES, "claims", "benchmarks"}


def test_changed_label_is_drawn(drawn):
    (path,) = (drawn / "store/experiments/fig2_embedded").iterdir()
    record = json.loads(path.read_text())
    record["labels"]["constants"]["paper"] = "my constants"
    path.write_text(json.dumps(record))
    assert "fig2_embedded" not in unchanged(plot(drawn))
    assert "my constants" in (drawn / "fig/fig2_embedded.svg").read_text()


def test_changed_code_or_packages_outdate_the_outputs_that_use_them(drawn, monkeypatch):
    code_of = stamps.code_of
    monkeypatch.setattr(
        stamps,
        "code_of",
        lambda modules: {
            name: f"{code}{'+' * (name == 'plots.figures.paper.fig5')}" for name, code in code_of(modules).items()
        },
    )
    results = {name: Stamps(drawn / "fig").up_to_date(output) for name, output in outputs(drawn).items()}
    assert {name for name, made in results.items() if made} == {
        "fig2_embedded",
        "claims",
        "benchmarks",
        "reference rows",
    }
    monkeypatch.setattr(stamps, "version", lambda package: "0")
    assert not any(Stamps(drawn / "fig").up_to_date(output) for output in outputs(drawn).values())


def outputs(folder):
    names = [*NAMES, "claims", "benchmarks"]
    chosen = outputs_of(names, folder / "store", folder / "fig", folder, folder / "rows")
    return {output.name: output for output in chosen}


def test_hash_depends_on_the_data_beside_the_code(tmp_path, monkeypatch):
    (tmp_path / "plots/figures/paper").mkdir(parents=True)
    (tmp_path / "plots/figures/paper/rules.yaml").write_text("a: 1\n")
    monkeypatch.setattr(stamps, "ROOT", tmp_path)
    before = hash_of(["plots.figures.paper.fig2"], "x")
    assert before == hash_of(["plots.figures.paper.fig2"], "x")
    assert before != hash_of(["plots.figures.paper.fig2"], "y")
    (tmp_path / "plots/figures/paper/rules.yaml").write_text("a: 2\n")
    assert before != hash_of(["plots.figures.paper.fig2"], "x")


@pytest.mark.parametrize("content", ["{", "[]", '{"fig2_embedded": 1}', '{"fig2_embedded": {"inputs": "x"}}'])
def test_damaged_stamps_count_as_none(drawn, content):
    (drawn / "fig" / FILE).write_text(content)
    assert not any(Stamps(drawn / "fig").up_to_date(output) for output in outputs(drawn).values())


def test_reason_for_no_figure_is_printed_again(tmp_path):
    sweep(tmp_path / "store", "tuning.capacity=100000", names=("fig2_embedded",))
    first, again = plot(tmp_path), plot(tmp_path)
    assert "nothing to draw" in again["fig2_embedded_own"]
    assert first["fig2_embedded_own"] == again["fig2_embedded_own"]


def test_points_of_other_code_are_left_out_unless_they_are_wanted(drawn):
    (path,) = (drawn / "store/experiments/fig5_embedded").iterdir()
    record = json.loads(path.read_text())
    record["points"][1]["configuration"] = "0123"  # so another code must have given the point its name
    path.write_text(json.dumps(record))
    note = "1 of 2 points of fig5_embedded was computed by other code or data: constants=simulator"
    for wanted, count, treated in [(False, 1, f"left out: {note}; run"), (True, 2, f"drawn: {note}")]:
        folders = (drawn / "store", drawn / "fig", drawn, None)
        (figure,) = outputs_of(["fig5_embedded"], *folders, request=Request(outdated=wanted))
        assert len(figure.experiment.results.points) == count
        assert treated in figure.lines(Made("drawn", []), "")
        assert Stamps(drawn / "fig").up_to_date(figure) is None or wanted
    assert len(reference_rows(*load_results("fig5_embedded", drawn / "store")).drop_duplicates(["constants"])) == 1


def test_without_any_current_point_there_is_nothing_to_draw_and_still_a_report(drawn):
    for path in (drawn / "store/experiments").glob("fig[25]_embedded/*"):
        record = json.loads(path.read_text())
        record["points"] = [{**entry, "configuration": "0123"} for entry in record["points"]]
        path.write_text(json.dumps(record))
    assert "nothing to draw" in plot(drawn)["fig5_embedded"]
    folders = (drawn / "store", drawn / "fig", drawn, None)
    (report,) = outputs_of(["report"], *folders)
    report.make()
    assert (drawn / "fig/report.html").is_file()


def test_reference_rows_are_written_to_another_folder(drawn, tmp_path):
    output = ReferenceRows(drawn / "store", [Experiment(name, drawn / "store") for name in NAMES], tmp_path)
    assert Stamps(drawn / "fig").up_to_date(output) is None
    made = output.make()
    assert [path.name for path in made.files] == ["fig2_embedded.csv", "fig5_embedded.csv", "provenance.yaml"]


def test_stamp_is_valid_after_its_folder_was_moved(tmp_path):
    class Text:
        name = "text"

        def inputs(self):
            return "hash"

    (tmp_path / "one").mkdir()
    (tmp_path / "one/text.md").write_text("x")
    Stamps(tmp_path / "one").write("text", "hash", Made("done", [tmp_path / "one/text.md"]))
    (tmp_path / "one").rename(tmp_path / "two")
    assert Stamps(tmp_path / "two").up_to_date(Text()) == Made("done", [tmp_path / "two/text.md"])
