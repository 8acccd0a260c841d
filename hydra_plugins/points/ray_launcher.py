"""A launcher on Ray: `hydra/launcher=ray`, on this machine or, with `hydra.launcher.address`, on a cluster.

Hydra's own Ray plugin (1.2.2) cannot be installed beside a current joblib: it asks for cloudpickle below 3, joblib for
3 or above. A worker of a sweep is a plain command, so Ray is asked for no more than to place commands and to start
them again where a node or a Ray process dies.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from store.identity import ROOT
from system import InputError


@dataclass
class RayLauncherConfig:
    """`address`: `local` for a Ray of its own on this machine, else that of a cluster, such as 10.0.0.1:6379.

    `cpus`: how many a Ray of its own may use; null is all.
    """

    _target_: str = "hydra_plugins.points.ray_launcher.RayLauncher"
    address: str = "local"
    cpus: int | None = None


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConfig, provider="points")


class RayLauncher(Launcher):
    """Every job of the launcher is a Ray task on one CPU that runs `python run.py` with the job's overrides."""

    def __init__(self, address: str, cpus: int | None) -> None:
        self._address = address
        self._cpus = cpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing of Hydra goes to the workers but the overrides."""

    def cpu_count(self) -> int:
        """The CPUs of the cluster, which is joined, or started, if that has not yet been done."""
        return int(self._ray().cluster_resources()["CPU"])

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and wait for them. A task whose process dies is started again by Ray, three times."""
        ray = self._ray()
        task = ray.remote(num_cpus=1, max_retries=3)(run_worker)
        try:
            return [_job_return(*done) for done in ray.get([task.remote(list(words)) for words in job_overrides])]
        finally:
            ray.shutdown()

    def _ray(self) -> Any:
        """Ray, joined to its cluster."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise InputError('hydra/launcher = ray: Ray is not installed; pip install "server-chains[ray]"') from error
        if not ray.is_initialized():
            own = {"num_cpus": self._cpus, "include_dashboard": False} if self._address == "local" else {}
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR", **own)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"hydra.launcher.address = {self._address}: no Ray cluster answers there ({error}); "
                    "start one with `ray start --head`, or leave it out for one on this machine"
                ) from error
        return ray


def run_worker(overrides: list[str]) -> tuple[int, str]:
    """Run one worker where Ray has put this; its exit status and what it said."""
    done = subprocess.run([sys.executable, "run.py", *overrides], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def _job_return(status: int, said: str) -> JobReturn:
    result = JobReturn(status=JobStatus.FAILED if status else JobStatus.COMPLETED)
    result.return_value = InputError(f"a worker ended with status {status}: {said[-500:]}") if status else None
    return result
