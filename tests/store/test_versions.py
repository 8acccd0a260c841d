"""Versions of the code: what the provenance says of it, and how a command names one."""

import subprocess

import pytest

from store.comparisons.versions import computed_by
from store.disk import provenance
from store.disk.provenance import commit_of
from system import InputError

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


@pytest.fixture
def repository(tmp_path):
    """Return a repository with two commits, and its git."""

    def _git(*words):
        done = subprocess.run(["git", "-C", tmp_path, *IDENTITY, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    _git("init", "-q")
    for number in (1, 2):
        (tmp_path / "fast.py").write_text(f"speed = {number}\n")
        _git("add", "-A")
        _git("commit", "-qm", f"Speed {number}")
    return tmp_path, _git


def test_a_version_is_the_commit_or_tells_what_differs_from_it(repository):
    folder, git = repository
    commit = git("rev-parse", "HEAD")[:12]
    assert commit_of(folder) == commit
    (folder / "notes.txt").write_text("no code")
    assert commit_of(folder) == commit
    versions = []
    for name, text in [
        ("mine.py", "x = 1\n"),  # untracked
        ("mine.py", "x = 2\n"),
        ("conf/mine.yaml", "x: 1\n"),
        ("fast.py", "speed = 3\n"),
    ]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        versions.append(commit_of(folder))
    git("add", "fast.py")
    assert commit_of(folder) == versions[-1]  # staged is as different as not
    (folder / "fast.py").unlink()
    versions.append(commit_of(folder))
    assert len(set(versions)) == 5
    assert all(version.startswith(f"{commit}+") and len(version) == 21 for version in versions)
    git("add", "-A")
    git("commit", "-qm", "Mine")
    assert commit_of(folder) == git("rev-parse", "HEAD")[:12]


def test_ignored_code_and_code_outside_a_repository_have_no_version(repository, tmp_path_factory):
    folder, git = repository
    (folder / ".gitignore").write_text("scratch/\n")
    (folder / "scratch").mkdir()
    (folder / "scratch/mine.py").write_text("x = 1\n")
    assert commit_of(folder) == git("rev-parse", "HEAD")[:12]
    assert commit_of(tmp_path_factory.mktemp("elsewhere")) is None


def records_of(*versions):
    """Return a record for each version, all of other points."""
    return {
        f"a{n}": [{"started": f"2030-01-0{n + 1}T10:00:00", "provenance": {"commit": version}}]
        for n, version in enumerate(versions)
    }


@pytest.mark.parametrize(
    "name", ["HEAD", "HEAD~0", "main~0", "v1", "{full}", "{full:.12}", "{full:.7}", "{full:.12}+77"]
)
def test_any_revision_names_a_version(repository, monkeypatch, name):
    folder, git = repository
    git("branch", "-M", "main")
    git("tag", "v1")
    monkeypatch.setattr(provenance, "ROOT", folder)
    full, before = git("rev-parse", "HEAD"), git("rev-parse", "HEAD~1")[:12]
    version = f"{full[:12]}+77" if "+" in name else full[:12]
    records = records_of(before, version)
    assert computed_by(name.format(full=full), records) == {"a1": records["a1"]}
    assert computed_by("HEAD~1", records) == {"a0": records["a0"]}


def test_of_several_versions_one_must_be_named(repository, monkeypatch):
    folder, git = repository
    monkeypatch.setattr(provenance, "ROOT", folder)
    commit = git("rev-parse", "HEAD")[:12]
    records = records_of(commit, f"{commit}+12", f"{commit}+13")
    message = (
        rf"with_commit = HEAD \({commit}\): has several versions; name one of them: {commit} \(1 point, 2030-01-01"
    )
    with pytest.raises(InputError, match=message):
        computed_by("HEAD", records)
    for n, version in enumerate([commit, f"{commit}+12", f"{commit}+13"]):
        assert list(computed_by(version, records)) == [f"a{n}"]
    with pytest.raises(
        InputError, match=rf"with_commit = HEAD~1 \(.*\): computed no such point; .* did are {commit}, "
    ):
        computed_by("HEAD~1", records)
    with pytest.raises(InputError, match=f"with_commit = nonsense: computed no such point; .* did are {commit}, "):
        computed_by("nonsense", records)
