"""The progress of a sweep, as a bar on the terminal while workers compute."""

import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from tqdm import tqdm

from store.disk.store import Store
from store.workers.work import WorkItem

POLL_S = 0.5
LATE_S = 5.0  # once everything is done, wait this long for workers that are lost or still queued


class _Terminal:
    """The standard error output, which may be gone: a sweep goes on without its bar.

    tqdm would keep its lock when a write fails, and the sweep would wait for that lock for ever.
    """

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


class Progress:
    """Progress bar that counts finished points in the store, on whichever machine they are computed.

    Once everything is done it also ends a launcher that still waits for workers.
    """

    def __init__(self, store: Store, work: list[WorkItem], number: int) -> None:
        self._store, self._work = store, work
        title = f"round {number}" if number > 1 else None
        self._bar = tqdm(total=len(work), desc=title, unit="point", file=_Terminal(), dynamic_ncols=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = store.finished_files()
        self.ended_launcher = False

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._update()
        self._bar.close()

    def _all_done(self) -> bool:
        new = self._new_files()
        return all(
            f"{item.point}.json" in new or all(self._store.has(item.point, part) for part in item.parts)
            for item in self._work
        )

    def _watch(self) -> None:
        reading_s = 0.0
        while not self._stop.wait(max(POLL_S, 20 * reading_s)):  # reading a large store takes a while
            begin = time.perf_counter()
            self._update()
            if self._bar.n == len(self._work) and self._all_done():
                break
            reading_s = time.perf_counter() - begin
        if not self._stop.wait(LATE_S):  # the launcher waits for all its jobs: stop it as Ctrl-C would
            self.ended_launcher = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _update(self) -> None:
        new = {name.split(".", 1)[0] for name in self._new_files()}
        self._bar.n = sum(item.point in new for item in self._work)
        self._bar.refresh()

    def _new_files(self) -> set[str]:
        """Return the names of records that finished points have written since the start."""
        return {name for name, _ in self._store.finished_files() - self._before}
