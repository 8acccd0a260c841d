"""Run a script or a module that ends with its parent: `guarded.py SCRIPT ...` or `guarded.py -m MODULE ...`.

PETALS starts processes of its own, which go on when the first one is killed. A guard in the same process group ends
them. Nothing that runs here looks for files or versions on the network, and each process computes on one thread.
"""

import os
import runpy
import signal
import sys
import time

LOOK_S = 0.5
VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "https_proxy": "http://127.0.0.1:9",  # nobody answers there
    "no_proxy": "",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


def start_guard() -> None:
    """Start a process that ends the group once this process is gone."""
    watched = os.getpid()
    if os.fork() == 0:
        while os.getppid() == watched:
            time.sleep(LOOK_S)
        os.killpg(0, signal.SIGKILL)


def main(words: list[str]) -> None:
    """Run the script or the module with its arguments."""
    os.environ.update(VARIABLES)
    if os.getpgrp() == os.getpid():  # else the group has others, too
        start_guard()
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, os.path.dirname(words[0]))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
