"""An archive reproduces itself in a clean folder, and holds committed code only."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile

import pytest

from plots.archive import bundle
from plots.drawing.appearance import AS_DRAWN, Appearance
from system import InputError
from tests.support.pages import blocks, run_block
from tests.support.project import ROOT, script

LEFT_OUT = ("outputs", "site", ".git", ".venv*", "*.egg-info", ".*_cache", ".hypothesis", "__pycache__")
ME = {f"GIT_{person}_{fact}": "a@b" for person in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")}


def git(folder, *words):
    command = ["git", "-C", folder, *words]
    return subprocess.run(command, env=os.environ | ME, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return the project as it is, committed in a repository of its own."""
    folder = tmp_path_factory.mktemp("clone") / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=All")
    return folder


@pytest.fixture(scope="module")
def made(clone, tmp_path_factory):
    """Return a folder in which the commands of the page made an archive."""
    folder = tmp_path_factory.mktemp("made")
    command = next(block for block in blocks("docs/paper.md") if "experiment.name=mine" in block.text)
    commit = bundle.clean_commit(clone)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(bundle, "clean_commit", lambda _: commit)
        for line in command.text.splitlines():
            name, *words = shlex.split(line)[1:]
            done = script(name, *words, *(["hydra/launcher=basic"] if name == "run.py" else []))
            assert done.returncode == 0, done.stderr
    return folder


def archive_in(folder):
    (path,) = folder.glob("outputs/archive/*.tar.gz")
    return path


@pytest.mark.slow
def test_archive_reproduces_itself_in_a_clean_folder(made, tmp_path, monkeypatch):
    """Run the commands of the page with this interpreter, which has the packages."""
    (tmp_path / "outputs/archive").mkdir(parents=True)
    shutil.copy(archive_in(made), tmp_path / "outputs/archive")
    monkeypatch.setenv("PYTHON", sys.executable)
    output = run_block(tmp_path, next(block for block in blocks("docs/paper.md") if "reproduce.sh" in block.text))
    assert "mine_embedded             12 rows compared, 0 disagree" in output
    (top,) = tmp_path.glob("server-chains-*")
    command = ["sha256sum", "--check", "SHA256SUMS"]
    checked = subprocess.run(command, cwd=top, check=True, capture_output=True, text=True).stdout
    with tarfile.open(archive_in(made)) as archive:
        unpacked = {name.partition("/")[2] for name in archive.getnames()}
    assert {line.removesuffix(": OK") for line in checked.splitlines()} == unpacked - {"SHA256SUMS"}
    (top / "rows/mine_embedded.csv").write_text("edited\n")
    assert subprocess.run([top / "reproduce.sh"], capture_output=True, check=False).returncode == 1


def test_archive_holds_the_code_of_the_commit(made, clone):
    with tarfile.open(archive_in(made)) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        page = archive.extractfile(archive.getmembers()[0]).read().decode()
    assert sorted(name.removeprefix("code/") for name in names if name.startswith("code/")) == sorted(
        git(clone, "ls-files").splitlines()
    )
    assert {"rows/provenance.yaml", "rows/mine_embedded.csv", "draws/mine_embedded.csv"} <= set(names)
    assert git(clone, "rev-parse", "HEAD").strip() in page
    assert "experiment.name=mine evaluator=communication_profile cluster.server_count=10,20" in page


def test_same_content_gives_the_same_bytes(made, clone, tmp_path):
    figures = {"mine_embedded": sorted((made / "outputs/figures").glob("mine_embedded.*"))}
    assert len(figures["mine_embedded"]) == 3
    again = [made / "outputs/store", figures, AS_DRAWN, bundle.clean_commit(clone)]
    bundle.write_archive(*again, tmp_path / "outputs/archive")
    assert archive_in(tmp_path).read_bytes() == archive_in(made).read_bytes()


def test_figures_and_their_look_are_archived(made, clone, tmp_path):
    figure, style = tmp_path / "mine_embedded.pdf", tmp_path / "my.mplstyle"
    figure.write_text("x")
    style.write_text("font.family: serif\n")
    bundle.write_archive(
        *(made / "outputs/store", {"mine_embedded": [figure]}, Appearance(3.5, style), bundle.clean_commit(clone)),
        tmp_path / "outputs/archive",
    )
    with tarfile.open(archive_in(tmp_path)) as archive:
        top = archive.getnames()[0].partition("/")[0]
        assert archive.extractfile(f"{top}/figures/mine_embedded.pdf").read() == b"x"
        assert archive.extractfile(f"{top}/figures.mplstyle").read() == b"font.family: serif\n"
        assert b"--width 3.5 --style ../figures.mplstyle\n" in archive.extractfile(f"{top}/reproduce.sh").read()


@pytest.mark.parametrize("name", ["algorithms/mine.py", "README.md"])
def test_code_that_differs_from_its_commit_is_refused(clone, name):
    path = clone / name
    before = path.read_bytes() if path.exists() else None
    path.write_text("new\n")
    with pytest.raises(InputError, match=f"differs from its commit in {name}; commit these files first"):
        bundle.clean_commit(clone)
    path.write_bytes(before) if before else path.unlink()
    bundle.clean_commit(clone)


def test_folder_without_a_commit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="has no commit to archive"):
        bundle.clean_commit(tmp_path)


def test_archive_of_nothing_is_refused(clone, tmp_path):
    with pytest.raises(InputError, match="holds no experiment"):
        bundle.write_archive(tmp_path, {}, AS_DRAWN, bundle.clean_commit(clone), tmp_path)


def test_archive_without_any_current_point_is_refused(made, clone, tmp_path):
    store = shutil.copytree(made / "outputs/store", tmp_path / "store")
    for path in (store / "experiments/mine_embedded").iterdir():
        record = json.loads(path.read_text())
        record["points"] = [{**entry, "configuration": "0123"} for entry in record["points"]]
        path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="experiment = mine_embedded: other code or data computed all of its points"):
        bundle.write_archive(store, {"mine_embedded": []}, AS_DRAWN, bundle.clean_commit(clone), tmp_path)
