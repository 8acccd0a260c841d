"""The project as a user meets it: its configuration composed in the test's process, its commands in their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from hydra_plugins.points.points import resolved_case

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"

# Small enough for a test, and without any data set.
SMALL = ("network=european", "draws=2", "workload.job_count=500")
# A real run that is over in a moment.
SMALL_RUN = (
    "model=tiny_llama",
    "network=local",
    "cluster=local_pair",
    "workload=drawn_lengths",
    "workload.job_count=3",
    "demand.per_s=20",
    "evaluator.engine=local",
)

NEEDS_RUNTIME = 'needs the extra runtime: pip install -e ".[runtime]"'
needs_runtime = pytest.mark.skipif(find_spec("torch") is None, reason=NEEDS_RUNTIME)


def choices(group):
    """The names that a config group offers."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def case_of(*overrides):
    """The resolved case under these overrides, composed by Hydra itself."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return resolved_case(compose("config", overrides=list(overrides)))


def command(*words, cwd=ROOT, **environment):
    """Run `python words...` in the project and return the finished process."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(cwd)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
