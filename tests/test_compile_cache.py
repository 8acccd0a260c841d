"""A second process starts without compiling anything: every compiled function is cached on disk under a fixed key."""

import json
import os
import subprocess
import sys
from pathlib import Path

from store.identity import ROOT


def _cache_misses(cache: Path) -> dict[str, int]:
    """What a fresh process had to compile, with this folder as numba's cache."""
    command = [sys.executable, "-m", "tests.benchmarks.fresh_process"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    misses: dict[str, int] = json.loads(done.stdout)
    return misses


def test_second_process_compiles_nothing(tmp_path: Path) -> None:
    first, second = _cache_misses(tmp_path), _cache_misses(tmp_path)
    used = {name for name, misses in first.items() if misses}
    assert {
        "algorithms.allocation.gca._allocate",
        "algorithms.dispatch.jffc.jffc",
        "algorithms.placement.reservation._form_chains",
        "evaluators.queueing.exact._loss_system",
        "evaluators.simulation.engine.run",
    } <= used
    assert not any(second.values()), second
