"""The project as a user sees it: its configuration, and its commands in this process or in their own."""

import os
import runpy
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from sweep.expansion.commands import Expansion
from sweep.expansion.template import resolved_case

ROOT = Path(__file__).resolve().parents[2]
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
NEEDS_ENGINES = 'needs the extra engines: pip install -e ".[engines]"'
needs_runtime = pytest.mark.skipif(find_spec("torch") is None, reason=NEEDS_RUNTIME)


def choices(group):
    """Return the choices of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def case_of(*overrides):
    """Return the resolved case under these overrides, composed by Hydra itself.

    `data=embedded` adds stand-ins, as in run.py. Without it nothing is composed to look for them.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        expansion = Expansion(GlobalHydra.instance().config_loader(), "config")
        has_data = any(override.startswith("data=") for override in overrides)
        stand_ins = expansion.stand_ins(overrides) if has_data else []
        return resolved_case(compose("config", overrides=[*stand_ins, *overrides]))


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


def script(name, *words):
    """Run a script of the project in this process.

    This saves the seconds that Python takes to start, and returns the same as `command`. Tests of starts, signals and
    workers need `command` and a process.
    """
    argv = [str(ROOT / name), *map(str, words)]
    status, stdout, stderr = 0, StringIO(), StringIO()
    with (
        _signals_as_before(),
        patch.object(sys, "argv", argv),
        patch.dict(os.environ),
        patch.object(warnings, "formatwarning", warnings.formatwarning),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            runpy.run_path(argv[0], run_name="__main__")
        except SystemExit as end:
            status = end.code
    if isinstance(status, str):  # Python writes it and exits with 1
        stderr.write(f"{status}\n")
        status = 1
    return subprocess.CompletedProcess(argv, status or 0, stdout.getvalue(), stderr.getvalue())


@contextmanager
def _signals_as_before():
    """Restore signal handlers, as a script that ends silently at `| head` changes them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
