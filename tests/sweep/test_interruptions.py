"""Sweeps that are killed, stopped or out of disk space: committed points stay, and the same command goes on."""

import os
import resource
import signal
import time

import numpy as np
import pytest

from store.disk.files import StoreError
from store.disk.parts import Part
from store.disk.store import Store
from store.tables.reading import load_points
from tests.support.damage import DAMAGES, files_of
from tests.support.project import command
from tests.support.sweeping import committed, rows, session, sweeping, wait_for

SWEEP = ("network=european", "draws=2", "evaluator=simulation", "hydra.launcher.n_jobs=2")


def require_no_process(process):
    """Raise `AssertionError` unless all processes of a sweep end soon, loky's own included."""
    end = time.monotonic() + 30
    while session(process):
        assert time.monotonic() < end, session(process)
        time.sleep(0.05)


def kill_once(store, words, rng, after, is_told):
    """End a sweep a moment after it has committed `after` points.

    Either it is killed with its workers, or SIGTERM tells only the main process.
    """
    before = len(committed(store))
    with sweeping(*SWEEP, *words) as process:
        wait_for(process, lambda: len(committed(store)) >= before + after)
        time.sleep(rng.uniform(0, 0.05 if after else 2.0))  # after 0 points: at a random moment of the start
        if process.poll() is None and is_told:
            process.terminate()
            process.wait(timeout=120)
            require_no_process(process)
        elif process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def damage_once(store, rng):
    """Return the record of the part that is lost with a damaged file."""
    files = files_of(store)
    path = files[rng.integers(len(files))]
    DAMAGES[rng.choice(list(DAMAGES))](path, rng)
    return store / "points" / f"{path.stem}.json"


def times(store):
    """Return by record when it was written."""
    return {path: path.lstat().st_mtime_ns for path in committed(store)}


def check_kills_lose_and_repeat_nothing(folder, points, kills, damages=0):
    """Check that a repeatedly killed sweep gives the rows of an undisturbed one.

    After each kill some files are damaged.
    """
    rates = ",".join(f"{rate:.4f}" for rate in np.linspace(0.05, 0.3, points))
    words = (f"demand.per_s={rates}", "workload.job_count=200000")
    calm = command("run.py", "-m", *SWEEP, *words, f"store={folder / 'calm'}")
    assert calm.returncode == 0, calm.stderr
    store, rng, seen, lost = folder / "killed", np.random.default_rng(1), {}, {}
    for kill in range(kills):
        kill_once(store, (*words, f"store={store}"), rng, rng.integers(0, points // kills), kill % 2)
        now = {path: time for path, time in times(store).items() if lost.get(path) != time}
        assert seen.items() <= now.items()  # no point is computed again once it is committed
        seen = now
        for _ in range(damages):
            record = damage_once(store, rng)
            seen.pop(record, None)
            lost[record] = times(store).get(record)  # until it is repaired
    assert 0 < len(seen) < points  # the kills came while points were computed
    last = command("run.py", "-m", *SWEEP, *words, f"store={store}")
    assert f"{points} points: {points} ok" in last.stdout, last.stderr
    assert seen.items() <= times(store).items()
    assert rows(store) == rows(folder / "calm")
    assert not list((store / "unfinished").glob("*"))


def test_a_killed_sweep_goes_on(tmp_path):
    check_kills_lose_and_repeat_nothing(tmp_path, points=24, kills=2)


@pytest.mark.slow
def test_a_sweep_killed_twenty_times_and_damaged_goes_on(tmp_path):
    check_kills_lose_and_repeat_nothing(tmp_path, points=200, kills=20, damages=3)


def test_ctrl_c_ends_a_sweep_and_its_workers_with_a_hint(tmp_path):
    words = ("demand.per_s=0.05,0.1,0.15,0.2,0.25,0.3", "workload.job_count=3000000")
    with sweeping(*SWEEP, *words, f"store={tmp_path}", f"hydra.sweep.dir={tmp_path / 'hydra'}") as process:
        wait_for(process, lambda: committed(tmp_path))
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on with the others" in errors
    assert "Traceback" not in errors
    assert "missing" in output
    assert not (tmp_path / "hydra" / "work.jsonl").exists()
    statuses = load_points("unnamed", tmp_path)["status"]
    assert 0 < (statuses == "ok").sum() < len(statuses)
    finished = committed(tmp_path)
    time.sleep(2)
    assert len(committed(tmp_path)) <= len(finished) + 2  # the workers end after their current points


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 143), ("SIGKILL", -9)])
def test_workers_end_with_the_main_process_after_their_points(number, status, tmp_path):
    rates = ",".join(f"{rate:.3f}" for rate in np.linspace(0.05, 0.3, 40))
    words = (f"demand.per_s={rates}", "workload.job_count=300000", f"store={tmp_path}")
    with sweeping(*SWEEP, *words, f"hydra.sweep.dir={tmp_path / 'hydra'}") as process:
        wait_for(process, lambda: committed(tmp_path))
        os.kill(process.pid, getattr(signal, number))
        process.wait(timeout=60)
        require_no_process(process)
        if status > 0:
            assert process.stderr.read().endswith("the same command goes on with the others\n")
    assert process.returncode == status
    assert 0 < len(committed(tmp_path)) < 40
    assert not list((tmp_path / "unfinished").glob("*"))


def test_a_full_disk_is_an_error_and_tears_no_file(tmp_path):
    _, limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    store, rows = Store(tmp_path), [(0, 0, "metric", float(n), float(n)) for n in range(10_000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit))  # the system cuts a longer file off
    try:
        with pytest.raises(StoreError, match=r"store = .*: cannot write rows/.*; make room there, "):
            store.commit("ab12", Part(range(1), range(1)), rows, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_sweep_goes_on_without_anybody_who_reads_its_progress(tmp_path):
    words = ("demand.per_s=0.1,0.15,0.2,0.25", "workload.job_count=100000", f"store={tmp_path}")
    with sweeping(*SWEEP, *words) as process:
        process.stderr.close()  # as `2>&1 | head` does, or a terminal that is closed
        output = process.stdout.read()
        process.wait(timeout=60)
    assert process.returncode == 0
    assert "4 points: 4 ok" in output
