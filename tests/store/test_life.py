"""Signs of life: workers notice that a main process has ended, with locks and without."""

import fcntl
import os
import time

import pytest

from store.workers import life


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(life, "BEAT_S", 0.02)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "work.jsonl"
    path.write_text("{}")
    return path


@pytest.fixture(params=["locks", "no locks"])
def locks(request, monkeypatch):
    """Run a test on file systems with and without locks."""

    def refuse(*_):
        raise OSError

    if request.param == "no locks":
        monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_main_process_that_lives_is_not_gone(path, locks):
    with life.beating(path), life.watching(path) as gone:
        assert not gone.wait(2 * life.SILENT_BEATS * life.BEAT_S)


def test_a_main_process_that_ends_removes_the_file(path, locks):
    with life.watching(path) as gone:
        with life.beating(path):
            pass
        assert not path.exists()
        assert gone.wait(5)


def test_a_silent_main_process_is_gone(path, locks):
    with life.watching(path) as gone:
        assert gone.wait(5)
    assert path.exists()


def test_the_end_of_a_lock_is_noticed_before_a_long_silence(path):
    with path.open("r+") as file, life.watching(path) as gone:
        fcntl.flock(file, fcntl.LOCK_EX)
        begin = time.monotonic()
        while time.monotonic() - begin < 5 * life.BEAT_S:
            os.utime(path)
            time.sleep(life.BEAT_S / 2)
        file.close()
        begin = time.monotonic()
        assert gone.wait(5)
        assert time.monotonic() - begin < life.SILENT_BEATS * life.BEAT_S


def test_a_clock_that_runs_in_another_year_does_not_matter(path, locks):
    with life.watching(path) as gone:
        for year in range(2 * life.SILENT_BEATS):
            os.utime(path, (year * 3e7, year * 3e7))
            assert not gone.wait(life.BEAT_S / 2)
