"""How far compiling is, in lines on stderr: only while something is compiled, and only if it takes long."""

import sys
import time
from collections.abc import Callable
from typing import Any

from numba.core import event

PATIENCE_S = 0.7  # how long code is compiled before the user is notified
INTERVAL_S = 2.0  # between two lines
CLEAR_LINE = "\r\x1b[K"  # of a terminal, where a progress bar may stand


class _Progress(event.Listener):
    """Listener that counts the project's functions as they are compiled.

    `dispatchers` has numba's object for every function that may be compiled, or None before there is one.
    """

    def __init__(self) -> None:
        self.dispatchers: dict[Callable[..., Any], Any] = {}
        self.is_silent = False
        self._begun: set[Callable[..., Any]] = set()
        self._depth, self._begin_s, self._spent_s = 0, 0.0, 0.0
        self._last_count, self._last_line_s = 0, float("-inf")

    def on_start(self, event: event.Event) -> None:
        """Count a function; write a line if compiling takes long."""
        now_s = time.perf_counter()
        if self._depth == 0:
            self._begin_s = now_s
        self._depth += 1
        self._begun |= {event.data["dispatcher"].py_func} & self.dispatchers.keys()
        is_long = self._spent_s + now_s - self._begin_s > PATIENCE_S
        if is_long and len(self._begun) > self._last_count and now_s - self._last_line_s > INTERVAL_S:
            self._last_count, self._last_line_s = len(self._begun), now_s
            self._write_line()

    def on_end(self, event: event.Event) -> None:
        """Add up the time."""
        self._depth -= 1
        if self._depth == 0:
            self._spent_s += time.perf_counter() - self._begin_s

    def _write_line(self) -> None:
        """Write which function it is, of how many at most.

        Some of those without code on disk may not be needed.
        """
        left = sum(not _has_code(self.dispatchers[function]) for function in self.dispatchers.keys() - self._begun)
        count = f"{len(self._begun)} of up to {len(self._begun) + left} functions"
        line = f"compiling, once after each change of the code: {count}\n"
        if not self.is_silent:
            sys.stderr.write(CLEAR_LINE + line if sys.stderr.isatty() else line)


def _has_code(dispatcher: Any) -> bool:
    """Return whether a function's code is loaded, or kept on disk."""
    if dispatcher is None:
        return False
    file = getattr(dispatcher._cache, "_cache_file", None)
    return bool(dispatcher.overloads or (file and file._load_index()))


progress = _Progress()
event.register("numba:compile", progress)
