"""The README cannot lie: its commands and its Python are run, its example is added to a copy of the project."""

import re
import shutil

import pytest

from tests.project import ROOT, command

README = (ROOT / "README.md").read_text()
LEFT_OUT = ("outputs", ".git", ".venv", "*.egg-info", ".*_cache", ".hypothesis")
BEING_WRITTEN = ("*.tmp.*", "*.pyc.*")  # by compilers in the other tests' processes; gone before they are copied
IGNORED = shutil.ignore_patterns(*LEFT_OUT, *BEING_WRITTEN)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """Every `python ...` line, without its comment."""
    everywhere = [block for block in blocks("sh") if "hydra/launcher=" not in block]  # those: tests/launchers
    lines = [line.split("  #")[0].strip() for block in everywhere for line in block.splitlines()]
    return [line for line in lines if line.startswith("python ")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with the README's algorithm and inventory added as the README says."""
    project = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, project, ignore=IGNORED)
    (project / "algorithms/equal_split.py").write_text(next(b for b in blocks("python") if "class EqualSplit" in b))
    (project / "conf/algorithm/equal_split.yaml").write_text(next(b for b in blocks("yaml") if "EqualSplit" in b))
    (project / "lab.yaml").write_text(next(b for b in blocks("yaml") if "servers:" in b))
    return project


@pytest.mark.parametrize("line", commands(), ids=commands())
def test_a_command_runs_as_it_stands(copy, line):
    """In the order of the README: some need what others left."""
    words = line.replace("precision=quick", "precision=quick draws=2").split()[1:]
    done = command(*words, cwd=copy)
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_the_commands_leave_what_the_readme_says(copy):
    assert len(commands()) == 21
    assert (copy / "outputs/figures/fig6a_embedded.png").is_file()
    assert (copy / "outputs/figures/fig8_embedded.png").is_file()
    assert (copy / "outputs/plan/lab/export_vllm.sh").is_file()


def test_the_python_runs_as_it_stands(copy):
    swept = command("run.py", "-m", "experiment=fig6a_embedded", "draws=1", "tuning.capacity=2,7", cwd=copy)
    assert swept.returncode == 0, swept.stderr
    examples = [block for block in blocks("python") if "class EqualSplit" not in block]
    assert len(examples) == 3
    for example in examples:
        done = command("-c", example, cwd=copy)
        assert done.returncode == 0, (example, done.stderr)
        assert done.stdout


def test_every_make_target_and_folder_that_it_names_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for folder in re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir()


def test_ci_runs_the_readmes_test_command_and_the_main_job():
    script = (ROOT / ".ci/run").read_text()
    assert "make test" in README
    assert "make test" in script
    assert "make reproduce" in script


@pytest.mark.parametrize("page", ["README.md", "results/README.md"])
def test_every_relative_link_and_image_is_there(page):
    text = (ROOT / page).read_text()
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)", text) if "://" not in target]
    missing = [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()]
    assert missing == []


def test_no_placeholder_is_left():
    assert re.findall(r"\b(?:TIME|TODO|TBD|FIXME|XXX|N\.N)\b", README) == []
