"""A SLURM cluster of this machine for the duration of a test: two CPUs, no accounting, no authentication."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.ports import free_ports

COMMANDS = ("slurmctld", "slurmd", "sbatch", "srun", "sinfo", "scancel")  # Debian's package slurm-wlm
START_S = 30.0

CONF = """\
ClusterName=one_node
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    """Return whether this machine has the commands of a node."""
    return all(shutil.which(command) for command in COMMANDS)


@contextmanager
def slurm_node() -> Iterator[dict[str, str]]:
    """Start the cluster, and yield the environment in which its commands work."""
    with tempfile.TemporaryDirectory(prefix="slurm") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        conf = folder / "slurm.conf"
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        conf.write_text(CONF.format(folder=folder, host=host, user=user, ports=free_ports(2)))
        environment = {"SLURM_CONF": str(conf)}
        for daemon in ("slurmctld", "slurmd"):
            stack.enter_context(_running([daemon, "-D"], environment, folder / f"{daemon}.log"))
        _wait_until_idle(environment, folder)
        yield environment
        _run(["scancel", "--user", user], environment)


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + START_S
    while "idle" not in _run(["sinfo", "--noheader", "--format=%T"], environment):
        logs = [path.read_text()[-1000:] for path in folder.glob("*.log")]
        assert time.monotonic() < end, f"the node does not start: {logs}"
        time.sleep(0.1)


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return done.stdout
