"""A sweep that goes on while a test looks at its store and disturbs it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.support.project import ROOT


@contextmanager
def sweeping(*words, **environment):
    """`python run.py -m words...` in a process group of its own, as a terminal starts it."""
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
    """Until the condition holds or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.005)


def committed(store):
    """The records that make points count."""
    return set((store / "points").glob("[!.]*")) if (store / "points").is_dir() else set()


def rows(store):
    """The files of rows with their bytes."""
    return {path.name: path.read_bytes() for path in (store / "rows").glob("[!.]*")}
