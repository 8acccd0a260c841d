"""Signs of life: how the workers of a sweep notice that its main process has ended.

The main process locks the file with the work and changes its time every second. The system releases the lock when the
process ends, and network file systems show that to other machines; where they do not, the time stands still. A worker
compares the time only with what it was before, as clocks of machines differ.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

BEAT_S = 1.0
# After so many looks at an unchanged time, the main process counts as dead.
SILENT_BEATS = 15
SILENT_BEATS_UNLOCKED = 2  # if the file was locked before

ORPHANED = threading.Event()  # set once the parent of this process has ended
AT_WORK = threading.Lock()  # held while this process computes a point


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Show workers that the main process lives, then remove the file."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, over), daemon=True)
    with path.open("r+") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            path.unlink(missing_ok=True)


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(BEAT_S):
        with suppress(OSError):  # a network file system may fail for a moment
            os.utime(path)


@contextmanager
def watching(path: Path) -> Iterator[threading.Event]:
    """Yield an event that is set once no process keeps a file's time changing."""
    gone, over = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(path, gone, over), daemon=True).start()
    try:
        yield gone
    finally:
        over.set()


def _watch(path: Path, gone: threading.Event, over: threading.Event) -> None:
    """Count looks rather than seconds, as compiled code can keep this thread from looking."""
    (before, was_locked), silent, most = _time_and_lock(path), 0, SILENT_BEATS
    while silent < most and not over.wait(BEAT_S):
        now, is_locked = _time_and_lock(path)
        before, silent = now, silent + 1 if now == before else 0
        was_locked |= is_locked
        most = SILENT_BEATS_UNLOCKED if was_locked and not is_locked else SILENT_BEATS
    gone.set()


def _time_and_lock(path: Path) -> tuple[int | None, bool]:
    """Return the time of a file and whether it is locked.

    The file is opened, as a network file system then asks its server.
    """
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_mtime_ns, _is_locked(file)
    except OSError:
        return None, False


def _is_locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    return False


def end_with_parent(parent: int) -> None:
    """End this process after its point once its parent has ended."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(BEAT_S)
    ORPHANED.set()
    with AT_WORK:
        os._exit(1)  # the main thread may wait for work forever
