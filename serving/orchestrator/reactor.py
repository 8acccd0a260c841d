"""The orchestrator's loop: what is due, and what links have to say, in one thread.

Timers of `asyncio` are as coarse as milliseconds; here a wait is a `select` of microseconds on the nearest deadline, so
that emulated round trips are as long as they should be.
"""

import heapq
import itertools
import select
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from serving.transport import Connection, ConnectionClosedError

LONGEST_WAIT_S = 0.5


class Reactor:
    """In turns, calls what is due, then `turned()`, waits, and calls `readable(j)` for links that have something."""

    def __init__(
        self, links: Mapping[int, Connection], readable: Callable[[int], None], turned: Callable[[], None]
    ) -> None:
        self._links, self._readable, self._turned = dict(links), readable, turned
        self._open = set(links)
        self._deadlines: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.now_s = time.perf_counter

    def at(self, when_s: float, callback: Callable[[], None]) -> None:
        """Call it at that time of `now_s`; at once if that is past, but not before what is due earlier."""
        heapq.heappush(self._deadlines, (when_s, next(self._order), callback))

    def forget(self, j: int) -> None:
        """Link j is gone."""
        self._open.discard(j)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Turn until `done`."""
        while not done():
            self._call_due()
            self._turned()
            if not done():
                self._wait()

    def _call_due(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= self.now_s():
            heapq.heappop(self._deadlines)[2]()

    def _wait(self) -> None:
        """For a link or the next deadline, whichever comes first."""
        descriptors = {link.readable: j for j in self._open if (link := self._links[j]).readable is not None}
        unsent = [descriptor for descriptor, j in descriptors.items() if self._links[j].unsent]
        busy = [j for j in self._open if self._links[j].busy]
        limit_s = 0.0 if busy else self._until_next_s()
        readable, writable, _ = select.select(list(descriptors), unsent, [], limit_s)
        for descriptor in writable:
            with suppress(ConnectionClosedError):  # `receive` will tell
                self._links[descriptors[descriptor]].flush()
        for j in busy + [descriptors[descriptor] for descriptor in readable]:
            if j in self._open:
                self._readable(j)

    def _until_next_s(self) -> float:
        if not self._deadlines:
            return LONGEST_WAIT_S
        return min(max(self._deadlines[0][0] - self.now_s(), 0.0), LONGEST_WAIT_S)
