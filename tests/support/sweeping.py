"""A sweep that runs while a test reads its store and disturbs it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.support.project import ROOT


@contextmanager
def sweeping(*words, **environment):
    """Run `python run.py -m words...` in its own process group, as a terminal does."""
    with subprocess.Popen(
        [sys.executable, "run.py", "-m", *map(str, words)],
        cwd=ROOT,
        env=os.environ | environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process, condition):
    """Wait until the condition holds or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.005)


def committed(store):
    """Return the records that commit points."""
    return set((store / "points").glob("[!.]*")) if (store / "points").is_dir() else set()


def rows(store):
    """Return the names of files of rows with their bytes."""
    return {path.name: path.read_bytes() for path in (store / "rows").glob("[!.]*")}
