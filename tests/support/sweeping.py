"""A sweep that runs while a test reads its store and disturbs it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

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


def session(process):
    """Return the ids of the processes of a sweep that still run, itself included."""
    running = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, *fields = path.read_text().rpartition(")")[2].split()
            if state != "Z" and int(fields[2]) == process.pid:
                running.append(int(path.parent.name))
    return running


def committed(store):
    """Return the records that commit points."""
    return set((store / "points").glob("[!.]*")) if (store / "points").is_dir() else set()


def rows(store):
    """Return the names of files of rows with their bytes."""
    return {path.name: path.read_bytes() for path in (store / "rows").glob("[!.]*")}
