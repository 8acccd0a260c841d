"""Workers that share a list of points: each point is computed once, even if workers die, start late or stop."""

import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from store.disk.identity import identity_of
from store.disk.outcome import outcome_of
from store.disk.parts import Part
from store.disk.store import Store
from store.workers.locks import locked, wait_for_others
from store.workers.work import CodeChangedError, WorkItem, do_shared_work, do_work, write_work
from system import InputError

ONE = Part(range(1), range(1))
PROCESSES = multiprocessing.get_context("spawn")


def work_of(count, **settings):
    cases = [{"n": n, **settings} for n in range(count)]
    return [WorkItem(identity_of(case).point, case, [ONE]) for case in cases]


def result(case):
    return SimpleNamespace(
        rows=[(0, 0, "n", float("nan"), case["n"])], refusals=[], simulated=False, varies_with="draw"
    )


def evaluate(case, _draws, _replications):
    """Log the start of the point; die or wait if the case says so."""
    with Path(case["log"]).open("a") as log:
        log.write(f"{case['n']}\n")
    if case["n"] == case.get("deadly") and not Path(case["log"] + ".dead").exists():
        Path(case["log"] + ".dead").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(case.get("seconds", 0.0))
    return result(case)


def worker(folder, path, first):
    do_shared_work(Store(folder), path, first, evaluate)


def share(folder, work, workers=2):
    """Let processes share the work; return their exit codes."""
    path = write_work(folder / "work.jsonl", work)
    starts = [len(work) * n // workers for n in range(workers)]
    started = [PROCESSES.Process(target=worker, args=(folder, path, first)) for first in starts]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def begun(folder):
    return Counter(map(int, (folder / "log").read_text().split()))


def test_workers_with_different_starts_do_every_point_once(tmp_path):
    work = work_of(60, log=str(tmp_path / "log"), seconds=0.005)
    assert share(tmp_path, work) == [0, 0]
    assert begun(tmp_path) == Counter(range(60))
    assert all(Store(tmp_path).parts([item.point])[item.point] == [ONE] for item in work)


def test_the_point_of_a_killed_worker_is_done_by_another(tmp_path):
    work = work_of(30, log=str(tmp_path / "log"), seconds=0.02, deadly=3)
    assert sorted(share(tmp_path, work)) == [-signal.SIGKILL, 0]
    again = begun(tmp_path) - Counter(range(30))
    assert again == Counter([3])
    assert len(Store(tmp_path).rows(Store(tmp_path).parts([item.point for item in work]), 1, 1)) == 30


def test_workers_stop_after_their_point_when_the_work_is_removed(tmp_path):
    work = work_of(5, log=str(tmp_path / "log"))
    path = write_work(tmp_path / "work.jsonl", work)

    def withdraw(case, *_):
        path.unlink(missing_ok=True)
        return result(case)

    do_shared_work(Store(tmp_path), path, 2, withdraw)
    done = [item.case["n"] for item in work if Store(tmp_path).has(item.point, ONE)]
    assert done == [2]
    do_shared_work(Store(tmp_path), path, 2, withdraw)  # a worker that starts after the end


def hold(folder, point, seconds, held):
    with locked(folder, point) as granted:
        assert granted
        held.set()
        time.sleep(seconds)


def test_a_point_that_another_process_computes_is_skipped(tmp_path):
    ours, theirs = work_of(2, log=str(tmp_path / "log"))
    held = PROCESSES.Event()
    other = PROCESSES.Process(target=hold, args=(tmp_path, theirs.point, 1.0, held))
    other.start()
    held.wait()
    do_shared_work(Store(tmp_path), write_work(tmp_path / "work.jsonl", [theirs, ours]), 0, evaluate)
    assert begun(tmp_path) == Counter([ours.case["n"]])
    begin = time.perf_counter()
    wait_for_others(tmp_path, [theirs.point, ours.point])
    assert time.perf_counter() - begin > 0.2  # until the other one has ended
    other.join()


def test_a_failure_is_noted_in_detail_and_other_points_go_on(tmp_path):
    def fails(case, *_):
        if case["n"] == 1:
            raise RuntimeError("no capacity")
        return result(case)

    work = work_of(3)
    do_shared_work(Store(tmp_path), write_work(tmp_path / "work.jsonl", work), 0, fails)
    store = Store(tmp_path)
    assert [store.has(item.point, ONE) for item in work] == [True, False, True]
    note = store.unfinished(work[1].point)
    assert note["status"] == "failed"
    assert note["reason"] == "RuntimeError: no capacity"
    assert "test_work.py" in note["traceback"]
    assert note["configuration"] == {"n": 1}
    assert note["provenance"]["machine"]["name"]
    assert note["started"]
    assert outcome_of(store, work[1].point, [], 1, 1).status == "failed"


def test_changed_code_writes_no_rows(tmp_path):
    item = work_of(1)[0]._replace(point="ab12")
    with pytest.raises(CodeChangedError, match="start the sweep again"):
        do_work(Store(tmp_path), item, lambda case, *_: result(case))
    assert not (tmp_path / "points").exists()
    assert not (tmp_path / "unfinished").exists()


def test_a_store_that_cannot_be_written_ends_the_work(tmp_path):
    (tmp_path / "store").write_text("in the way")
    path = write_work(tmp_path / "work.jsonl", work_of(3))
    with pytest.raises(InputError, match="cannot write locks"):
        do_shared_work(Store(tmp_path / "store"), path, 0, lambda case, *_: result(case))
