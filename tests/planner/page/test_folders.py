"""A plan's folder belongs to one inventory file: others neither overwrite it nor leave old files in it."""

import json
import os

import pytest

from planner.output.files import write
from planner.output.folders import Source, folder_note, folder_of
from system import InputError
from tests.planner.page.studies import EXAMPLES, lab
from tests.support.project import script


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return two inventories of one name, in a working folder without plans."""
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / name / "lab.yaml" for name in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"# {path}\n")
    return paths


def planned(path, to=None, **options):
    """Write the plan of a file and return its folder as a text."""
    source = Source.of(path)
    folder = folder_of(source, to)
    write(folder, *lab(), source=source, **{"with_picture": False} | options)
    return str(folder)


def test_two_inventories_of_one_name_have_folders_of_their_own(files):
    first, other = files
    assert planned(first) == "outputs/plan/lab"
    assert planned(other) == "outputs/plan/lab-2"
    assert planned(first) == "outputs/plan/lab"
    assert planned(other) == "outputs/plan/lab-2"
    first.write_text("# edited\n")
    assert planned(first) == "outputs/plan/lab"
    assert sorted(os.listdir("outputs/plan")) == ["lab", "lab-2"]
    source = Source.of(other)
    assert folder_note(folder_of(source, None), source, None) == f", as outputs/plan/lab/ holds the plan of {first}"
    assert folder_note(folder_of(Source.of(first), None), Source.of(first), None) == ""


def test_an_own_folder_is_found_though_the_usual_one_is_free_by_now(files, tmp_path):
    first, other = files
    planned(first)
    planned(other)
    for path in (tmp_path / "outputs/plan/lab").iterdir():
        path.unlink()
    assert planned(other) == "outputs/plan/lab-2"
    assert planned(first) == "outputs/plan/lab"


def test_a_given_folder_with_the_plan_of_another_file_is_refused(files, tmp_path):
    first, other = files
    target = tmp_path / "target"
    assert planned(first, target) == planned(first, target)
    before = (target / "plan.json").read_bytes()
    with pytest.raises(InputError, match=rf"^to = {target}: holds the plan of {first}; name another folder, or remove"):
        planned(other, target)
    assert (target / "plan.json").read_bytes() == before


@pytest.mark.parametrize("content", ["{}", "[", '{"inventory_file": 3}', '{"inventory_file": {"path": "x"}}'])
def test_a_plan_that_names_no_file_is_not_overwritten(files, tmp_path, content):
    folder = tmp_path / "outputs/plan/lab"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(content)
    with pytest.raises(InputError, match="holds a plan that names no inventory file"):
        planned(files[0], folder)
    assert planned(files[0]) == "outputs/plan/lab-2"
    assert (folder / "plan.json").read_text() == content


def test_a_file_that_moved_keeps_its_folder_and_a_copy_does_not(files, tmp_path):
    first, other = files
    planned(first)
    copy = tmp_path / "lab.yaml"
    copy.write_bytes(first.read_bytes())
    assert planned(copy) == "outputs/plan/lab-2"
    other.write_bytes(first.read_bytes())
    first.unlink()
    assert planned(other) == "outputs/plan/lab"


def test_a_folder_that_moved_together_with_its_inventory_still_belongs_to_it(files, tmp_path, monkeypatch):
    planned(files[0])
    moved = tmp_path.with_name(f"{tmp_path.name}_moved")
    tmp_path.rename(moved)
    monkeypatch.chdir(moved)
    (moved / "a/lab.yaml").write_text("# edited\n")
    assert planned(moved / "a/lab.yaml") == "outputs/plan/lab"


def test_old_files_of_the_plan_go_and_files_of_the_user_stay(files, tmp_path):
    folder = tmp_path / "outputs/plan/lab"
    planned(files[0], with_page=True)
    (folder / "notes.txt").write_text("of the user")
    document = json.loads((folder / "plan.json").read_text())
    assert {"plan.html", "plan.json", "notes.txt"} < set(os.listdir(folder))
    (folder / "export_old.sh").write_text("of an engine that is left out by now")
    (folder / "export_own.sh").write_text("of the user")
    outside = tmp_path / "plan.outside"
    outside.write_text("not in the folder")
    document["files"] += ["export_old.sh", "notes.txt", "../../../plan.outside"]
    (folder / "plan.json").write_text(json.dumps(document))
    planned(files[0])
    left = set(os.listdir(folder))
    assert left == {"plan.json", "export_own.sh", "notes.txt"} | {
        name for name in document["files"][:-3] if "export" in name
    }
    assert outside.exists()


def test_the_command_says_where_the_plan_is_and_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        path = tmp_path / name / "one.yaml"
        path.parent.mkdir()
        path.write_text(f"# {name}\n" + (EXAMPLES / "largest_rate.yaml").read_text())
        done = script("plan.py", path, "--html", "--no-picture")
        assert done.returncode == 0, done.stderr
        last = done.stdout.splitlines()[-1]
        assert "plan.html to outputs/plan/one" in last
    assert last.endswith(f" to outputs/plan/one-2/, as outputs/plan/one/ holds the plan of {tmp_path / 'a/one.yaml'}")
    assert "<h1>one</h1>" in (tmp_path / "outputs/plan/one-2/plan.html").read_text()
