"""The study of docs/study.md, carried out as it stands: from new files to an archive that reproduces itself."""

import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.plots.test_archive import ME, clone, git  # noqa: F401 as `clone` is a fixture
from tests.support.pages import run_block, runnable, write_files

PAGE = "docs/study.md"
MOST_COMMANDS = 10


def test_the_study_takes_at_most_ten_commands():
    lines = [line for block in runnable(PAGE) for line in block.text.splitlines()]
    assert sum(line.startswith(("python ", "git ")) for line in lines) <= MOST_COMMANDS


@pytest.mark.slow
def test_the_study_runs_and_its_archive_reproduces_it(clone, tmp_path, monkeypatch):  # noqa: F811
    project = tmp_path / "study"
    shutil.copytree(clone, project)
    write_files(project, PAGE)
    for name, text in (ME | {"PYTHON": sys.executable}).items():
        monkeypatch.setenv(name, text)
    outputs = [run_block(project, block) for block in runnable(PAGE)]
    assert "12 points: 12 ok" in outputs[1]
    assert "nothing varies between draws" in outputs[2]
    assert r"\toprule" in (project / "outputs/study.tex").read_text()
    assert b"/Type3" not in (project / "outputs/figures/study.pdf").read_bytes()
    (archive,) = project.glob("outputs/archive/*.tar.gz")
    with tarfile.open(archive) as bundle:
        bundle.extractall(tmp_path / "elsewhere", filter="data")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    done = subprocess.run([folder / "reproduce.sh"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert " 0 disagree" in done.stdout
