"""The same sweep with every launcher gives the same bytes, even if workers are killed, stopped or late.

SLURM itself is tested if its daemons are installed, else submitit's local executor, as the names of tests show.
"""

import os
import signal
import time

import pytest

from tests.launchers.ray_head import ray_environment, ray_head
from tests.launchers.slurm_node import is_installed, slurm_node
from tests.support.ports import free_ports
from tests.support.project import ROOT, command
from tests.support.sweeping import committed, rows, sweeping, wait_for

pytestmark = pytest.mark.launchers

SUBMITIT = ("submitit_local", "slurm") if is_installed() else ("submitit_local",)
ALL = ("joblib", *SUBMITIT, "ray", "ray_cluster")  # with two workers each
WORDS = ("network=european", "draws=2")
SMALL = (*WORDS, "workload.job_count=300", "evaluator=simulation,exact", "tuning.capacity=6,7")
# Points of half a second, so that there is something to disturb.
LONG = (*WORDS, "workload.job_count=1500000", "evaluator=simulation", "demand.per_s=0.05,0.1,0.15,0.2,0.25")


@pytest.fixture(scope="session")
def slurm():
    with slurm_node() as environment:
        yield ("hydra/launcher=slurm", "hydra.launcher.array_parallelism=2", "hydra.launcher.mem_gb=1"), environment


@pytest.fixture(scope="session")
def ray_files():
    with ray_environment() as environment:
        yield environment


@pytest.fixture(scope="session")
def ray(ray_files):
    return ("hydra/launcher=ray", "hydra.launcher.cpus=2"), ray_files


@pytest.fixture(scope="session")
def ray_cluster(ray_files):
    with ray_head(ray_files) as address:
        yield ("hydra/launcher=ray", f"hydra.launcher.address={address}"), ray_files


@pytest.fixture(scope="session")
def submitit_local():
    return ("hydra/launcher=submitit_local", "hydra.sweeper.workers=2"), {}


@pytest.fixture(scope="session")
def joblib():
    return ("hydra.launcher.n_jobs=2",), {}


@pytest.fixture
def launcher(request):
    """Return the words that choose a launcher, and the environment that it needs."""
    return request.getfixturevalue(request.param)


def alone(folder, words):
    """Sweep in a single process without disturbance, and return the store."""
    done = command("run.py", "-m", *words, "hydra/launcher=basic", f"store={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="session")
def long(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("long"), LONG)


def shared_folders(store):
    """Return words for the store and for submitit's files; all machines must share both."""
    return f"store={store}", f"hydra.sweep.dir={store / 'hydra'}"


def at_work(store):
    """Return the ids of processes that hold locks on points, oldest first."""
    try:
        file = os.stat(store / "locks")
    except FileNotFoundError:
        return []
    name = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    with open("/proc/locks") as table:
        locks = [line.split() for line in table]
    return sorted({int(lock[4]) for lock in locks if lock[5] == name})


def wait_for_two_at_work(process, store):
    wait_for(process, lambda: committed(store) and len(at_work(store)) == 2)
    assert process.poll() is None, process.communicate()
    return at_work(store)


@pytest.mark.parametrize("launcher", ALL, indirect=True)
def test_every_launcher_writes_the_bytes_of_one_worker(launcher, small, tmp_path):
    words, environment = launcher
    done = command("run.py", "-m", *SMALL, *words, *shared_folders(tmp_path), **environment)
    assert done.returncode == 0, done.stderr
    assert "4 points: 4 ok" in done.stdout
    assert rows(tmp_path) == rows(small)


@pytest.mark.parametrize("launcher", ["joblib", SUBMITIT[-1], "ray"], indirect=True)
def test_a_killed_worker_costs_no_more_than_its_point(launcher, long, tmp_path):
    words, environment = launcher
    with sweeping(*LONG, *words, *shared_folders(tmp_path), **environment) as process:
        os.kill(wait_for_two_at_work(process, tmp_path)[0], signal.SIGKILL)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "5 points: 5 ok" in output
    assert rows(tmp_path) == rows(long)


@pytest.mark.parametrize("launcher", [SUBMITIT[-1], "ray_cluster"], indirect=True)
def test_after_a_kill_and_a_stop_the_same_command_goes_on(launcher, long, tmp_path):
    words, environment = launcher
    words = (*LONG, *words, *shared_folders(tmp_path))
    with sweeping(*words, **environment) as process:
        os.kill(wait_for_two_at_work(process, tmp_path)[1], signal.SIGKILL)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on" in errors
    while at_work(tmp_path):  # a worker ends after its current point
        time.sleep(0.05)
    kept = {path: path.stat().st_mtime_ns for path in committed(tmp_path)}
    assert 0 < len(kept) < 5
    assert rows(tmp_path).items() <= rows(long).items()
    done = command("run.py", "-m", *words, **environment)
    assert "5 points: 5 ok" in done.stdout, done.stderr
    assert rows(tmp_path) == rows(long)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # nothing was computed twice


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 143), ("SIGKILL", -9)])
@pytest.mark.parametrize("launcher", [*SUBMITIT, "ray", "ray_cluster"], indirect=True)
def test_workers_end_with_the_main_process(launcher, number, status, long, tmp_path):
    words, environment = launcher
    more = "demand.per_s=" + ",".join(f"{0.05 + 0.005 * n:.3f}" for n in range(40))
    with sweeping(*LONG, more, *words, *shared_folders(tmp_path), **environment) as process:
        wait_for_two_at_work(process, tmp_path)
        os.kill(process.pid, getattr(signal, number))
        process.wait(timeout=60)
    assert process.returncode == status
    end = time.monotonic() + 60
    while at_work(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.05)
    count = len(committed(tmp_path))
    time.sleep(2)
    assert len(committed(tmp_path)) == count < 20  # of 40: no worker goes on


def test_the_only_worker_is_replaced_when_it_is_killed(ray, long, tmp_path):
    words, environment = ray
    with sweeping(*LONG, *words, "hydra.launcher.cpus=1", *shared_folders(tmp_path), **environment) as process:
        wait_for(process, lambda: committed(tmp_path) and at_work(tmp_path))
        os.kill(at_work(tmp_path)[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "a worker was lost; others did its work (a worker on" in errors
    assert rows(tmp_path) == rows(long)


def test_a_finished_sweep_does_not_wait_for_workers(small, tmp_path):
    words = ("hydra/launcher=basic", "hydra.launcher._target_=hydra_plugins.waiting.WaitingLauncher")
    done = command(
        "run.py", "-m", *SMALL, *words, *shared_folders(tmp_path), PYTHONPATH=str(ROOT / "tests" / "launchers")
    )
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path) == rows(small)


def test_an_address_at_which_no_ray_answers(ray_files, tmp_path):
    (port,) = free_ports(1)
    words = ("hydra/launcher=ray", f"hydra.launcher.address=127.0.0.1:{port}")
    done = command("run.py", "-m", *SMALL, *words, *shared_folders(tmp_path), **ray_files)
    assert done.returncode == 1
    assert f"error: hydra.launcher.address = 127.0.0.1:{port}: no Ray answers there" in done.stderr
    assert done.stderr.count("\n") == 1
