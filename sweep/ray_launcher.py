"""A launcher on Ray: `hydra/launcher=ray`, on this machine or, with `hydra.launcher.address`, on a cluster.

Hydra's own Ray plugin (1.2.2) cannot be installed beside a current joblib: it asks for cloudpickle below 3, joblib for
3 or above. A worker of a sweep is a plain command, so Ray is asked for no more than to place commands and to start
them again where a node or a Ray process dies.
"""

import os
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
from system import InputError
from system.checks import require_count
from system.code.source import ROOT
from workloads.datasets import FOLDER_VARIABLE

# Said to workers, since those of a cluster have the environment in which Ray was started there.
FORWARDED = (FOLDER_VARIABLE, "XDG_CACHE_HOME")
ANSWER_S = 5.0


@dataclass
class RayLauncherConfig:
    """The options of `hydra/launcher=ray`.

    `address` is `local` for a Ray of its own on this machine, else that of a cluster, such as 10.0.0.1:6379. `cpus` is
    how many CPUs a Ray of its own may use; null is all.
    """

    _target_: str = MISSING
    address: str = "local"
    cpus: int | None = None


class RayLauncher(Launcher):
    """Every job of the launcher is a Ray task on one CPU that runs `python run.py` with the job's overrides."""

    def __init__(self, address: str, cpus: int | None) -> None:
        if cpus is not None:
            require_count(**{"hydra.launcher.cpus": cpus})
        self._address = address
        self._cpus = cpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing of Hydra goes to the workers but the overrides."""

    def cpu_count(self) -> int:
        """The CPUs of the cluster, which is joined, or started, if that has not yet been done."""
        return int(self._ray().cluster_resources()["CPU"])

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and wait for all. A task whose Ray process dies is started again by Ray, three times."""
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
        """Ray, joined to its cluster."""
        ray = _imported_ray()
        if not ray.is_initialized():
            own = self._address == "local"
            if not own:
                _require_answer(self._address)
            settings = {"num_cpus": self._cpus, "include_dashboard": False} if own else {}
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR", **settings)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"hydra.launcher.address = {self._address}: Ray does not join ({error}); the cluster needs this "
                    "Python and this Ray, and if it asks for a token RAY_AUTH_MODE=token must be set here too"
                ) from error
        return ray


def _imported_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(not_installed("ray")) from error
    return ray


def _require_answer(address: str) -> None:
    """Where nobody listens Ray itself would try for ever."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"hydra.launcher.address = {address}: no Ray answers there ({error}); name the HOST:PORT that "
            "`ray start --head` told, or leave it out for a Ray of its own on this machine"
        ) from error


def run_worker(overrides: list[str], folder: str, environment: Mapping[str, str]) -> str:
    """Run one worker where Ray has put this; how it ended, unless well."""
    command = [sys.executable, str(ROOT / "run.py"), *overrides]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode < 0:
        return f"a worker on {socket.gethostname()} was ended by signal {-done.returncode}"
    return done.stderr.strip().removeprefix("error: ") if done.returncode else ""
