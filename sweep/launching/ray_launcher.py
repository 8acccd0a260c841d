"""Launcher on Ray: `hydra/launcher=ray`, on this machine or, with `hydra.launcher.address`, on a cluster.

Hydra's own Ray plugin (1.2.2) cannot be installed beside a current joblib: it needs cloudpickle below 3, joblib needs
3 or above. A worker of a sweep is a plain command, so Ray only places commands and restarts them when a node or a Ray
process dies.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig

from sweep.errors import not_installed
from sweep.launching.worker_settings import require_workers
from system import InputError
from system.checks import require_ray
from system.code.source import ROOT
from workloads.datasets import FOLDER_VARIABLE

# Variables passed to workers, as workers on a cluster have the environment in which Ray was started.
FORWARDED = (FOLDER_VARIABLE, "XDG_CACHE_HOME")
ADDRESS_REMEDY = "give the HOST:PORT that `ray start --head` printed, or leave the key out to start Ray on this machine"


@dataclass
class RayLauncherConfig:
    """The options of `hydra/launcher=ray`.

    `address` is `local` to start Ray on this machine, or the address of a cluster, such as 10.0.0.1:6379. `cpus` is the
    number of CPUs that a local Ray may use; null means all.
    """

    _target_: str = MISSING
    address: str = "local"
    cpus: int | None = None


class RayLauncher(Launcher):
    """Launcher whose jobs are Ray tasks, each on one CPU.

    A task runs `python run.py` with the overrides of the job.
    """

    def __init__(self, address: str, cpus: int | None) -> None:
        if cpus is not None:
            require_workers("hydra.launcher.cpus", cpus)
        self._address = address
        self._cpus = cpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ignore the arguments: only the overrides go to the workers."""

    def cpu_count(self) -> int:
        """Return the CPUs of the cluster, which is joined or started if needed."""
        return int(self._ray().cluster_resources()["CPU"])

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and wait for all.

        Ray restarts a task whose Ray process dies, up to three times.
        """
        ray = self._ray()
        task = ray.remote(num_cpus=1, max_retries=3)(run_worker)
        environment = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        try:
            ends = ray.get([task.remote(list(words), os.getcwd(), environment) for words in job_overrides])
        finally:
            ray.shutdown()
        if losses := [end for end in ends if end]:
            raise InputError(losses[0])
        return [JobReturn(overrides=words, status=JobStatus.COMPLETED) for words in job_overrides]

    def _ray(self) -> Any:
        """Return the module `ray`, connected to the cluster."""
        ray = _imported_ray()
        if not ray.is_initialized():
            own = self._address == "local"
            if not own:
                require_ray(self._address, "hydra.launcher.address", self._address, ADDRESS_REMEDY)
            handler = signal.getsignal(signal.SIGTERM)
            settings = {"num_cpus": self._cpus, "include_dashboard": False} if own else {}
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR", **settings)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"hydra.launcher.address = {self._address}: cannot connect ({error}); the cluster needs the same "
                    "versions of Python and Ray, and if it needs a token, set RAY_AUTH_MODE=token here too"
                ) from error
            signal.signal(signal.SIGTERM, handler)  # Ray sets its own, which ends this process with a stack trace
        return ray


def _imported_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(not_installed("ray")) from error
    return ray


def run_worker(overrides: list[str], folder: str, environment: Mapping[str, str]) -> str:
    """Run one worker where Ray put this; return an error message or nothing."""
    command = [sys.executable, str(ROOT / "run.py"), *overrides]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode < 0:
        return f"a worker on {socket.gethostname()} was ended by signal {-done.returncode}"
    return done.stderr.strip().removeprefix("error: ") if done.returncode else ""
