"""`make planner` installs what plan.py needs and nothing else, and gets on with the environment of other targets."""

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain

import pytest

from tests.planner.page.studies import EXAMPLES
from tests.support.project import ROOT, command

NEEDS = [line for line in (ROOT / "planner/requirements.txt").read_text().split("\n") if line and line[0] != "#"]
# Runs a command as if these packages were not installed.
WITHOUT = """
import runpy, sys
for name in {absent}:
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def package(requirement):
    return re.match(r"[\w-]+", requirement)[0]


def dry(target, folder):
    """Return what make would run for a target, with the environment in a folder."""
    words = ["make", "--dry-run", target, f"VENV={folder}", f"PYTHON={sys.executable}"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, env=outside).stdout


def test_the_packages_are_some_of_those_of_the_project_in_the_same_versions():
    pinned = {package(line).lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"}
    assert set(map(str.lower, NEEDS)) <= pinned
    others = {package(requirement) for requirement in project()["dependencies"]} | {"matplotlib"}  # seaborn brings it
    assert set(NEEDS) < others


def test_a_plan_needs_no_other_package(tmp_path):
    requirements = [*project()["dependencies"], *chain.from_iterable(project()["optional-dependencies"].values())]
    modules = {package(requirement).replace("-", "_") for requirement in requirements} - set(NEEDS) - {"pyyaml"}
    absent = modules | {"hydra", "omegaconf", "joblib", "zmq", "openai"} | {"pandas"}  # for traces only
    assert {"torch", "hydra", "seaborn", "pyarrow", "highspy", "pandas"} <= absent
    code = WITHOUT.format(absent=sorted(absent))
    words = ("-c", code, ROOT / "plan.py", EXAMPLES / "largest_rate.yaml", "--html", "--to", tmp_path)
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plan.png").stat().st_size > 10_000


@pytest.mark.parametrize("stamp", ["", "planner", "installed"])
def test_the_set_up_is_done_once_and_other_targets_make_their_own(tmp_path, stamp):
    environment = tmp_path / "environment"
    environment.mkdir()
    if stamp:
        (environment / stamp).touch()
    planner, test = dry("planner", environment), dry("test", environment)
    assert ("-r planner/requirements.txt" in planner) == (stamp == "")
    assert "-e" not in re.findall(r"-\w+", planner) or stamp == ""
    assert planner.strip().endswith("planner/examples/lab.yaml --html'")
    assert (f"venv --clear {environment}" in test) == (stamp != "installed")
