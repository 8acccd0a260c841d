"""Benchmarks of sweeps beyond the work of their points, and of the start of processes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from system.code.source import ROOT
from tests.benchmarks.support.benchmark import Benchmark
from tests.benchmarks.support.scale import Scale
from tests.benchmarks.support.timing import seconds
from tests.benchmarks.support.yardstick import yardstick


def process_benchmarks(scale: Scale) -> list[Benchmark]:
    """Return the benchmarks of sweeps and of processes.

    They are the start of a sweep, the cost of each point, and two processes: one that compiles functions and one that
    finds them compiled.
    """
    points = scale.sweep_points
    return [
        Benchmark("sweep, start", "process of a sweep of one point, beyond the point's work", "s", _beyond_work_s),
        Benchmark(
            "sweep, a point",
            f"{points:,} points on one core, beyond their work, its share of the start included",
            "s",
            lambda: _beyond_work_s(points) / points,
            peer=yardstick(scale, 0.010),
        ),
        Benchmark(
            "first point",
            "after installing: a command that compiles what it needs and simulates a point",
            "s",
            seconds(_first_point),
            peer=yardstick(scale, 12.0),
        ),
        Benchmark(
            "second process",
            "from its start to a simulation, an exact value and a composition, nothing compiled",
            "s",
            seconds(_start_without_compiling),
            peer=yardstick(scale, 1.2),
        ),
    ]


def _beyond_work_s(points: int = 1) -> float:
    """Return a sweep's wall time without its points' durations."""
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        subprocess.run(_sweep_command(points, folder), cwd=ROOT, capture_output=True, check=True)
        wall_s = time.perf_counter() - start_s
        records = [json.loads(path.read_text()) for path in Path(folder, "store", "points").glob("*.json")]
        assert len(records) == points
        return wall_s - sum(record["duration_s"] for record in records)


def _sweep_command(points: int, folder: str) -> list[str]:
    values = f"demand.per_s=range(1,{points + 1})"
    chosen = ["evaluator=composition", "network=european", "draws=1", "hydra/launcher=basic", values]
    return [sys.executable, "run.py", "-m", *chosen, f"store={folder}/store", f"hydra.sweep.dir={folder}/hydra"]


def _first_point() -> None:
    """Run the paper's defaults with no compiled code cached."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "run.py", "network=european", "draws=1", f"store={folder}/store"]
        environment = os.environ | {"NUMBA_CACHE_DIR": f"{folder}/compiled"}
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)


def _start_without_compiling() -> None:
    """Run a fresh process, and check that it compiles nothing."""
    command = [sys.executable, "-m", "tests.benchmarks.support.fresh_process"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    compiled = [name for name, counts in json.loads(done.stdout).items() if counts["compiled"]]
    assert not compiled, f"compiled again: {compiled}"
