"""Theory, simulation, plots and the planner work without the extras `runtime` and `engines`."""

import subprocess
import sys

from tests.support.project import ROOT

# Hides the packages of the extras, as if they were not installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
extras = ("torch", "safetensors", "zmq", "aiohttp")
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in extras else find(name, *rest)
"""


def python(code):
    """Run Python code in a process without the packages of the extras."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_entry_scripts_and_the_evaluator_of_real_runs_import():
    done = python(
        "import run, plot, plan, evaluators.points.measured.served, evaluators.points.measured.endpoint, "
        "evaluators.admission, evaluators.simulation.steps"
    )
    assert done.returncode == 0, done.stderr


def test_a_point_is_simulated_and_a_real_run_names_the_missing_extra(tmp_path):
    words = "network=local cluster=local_pair model=tiny_llama workload=drawn_lengths workload.job_count=20 draws=1"
    code = f"""
import runpy
sys.argv = ["run.py", *"{words} store={tmp_path}".split(), *PREDICTION.split()]
runpy.run_path("run.py", run_name="__main__")
"""
    done = python(f"PREDICTION = 'evaluator=simulation service=steps'{code}")
    assert done.returncode == 0, done.stderr
    assert "queue_mean_s" in done.stdout
    for evaluator, extra in (("runtime", "runtime"), ("endpoint", "engines")):
        refused = python(f"PREDICTION = 'evaluator={evaluator}'{code}")
        assert refused.returncode == 1
        assert f'pip install -e ".[{extra}]"' in refused.stderr
        assert "Traceback" not in refused.stderr
