"""The orchestrator's event loop over timers and connections, in one thread.

Timers of `asyncio` are as coarse as milliseconds. This loop waits in a `select` with microsecond resolution until the
next deadline, so that emulated round trips last as long as they should.
"""

import heapq
import itertools
import select
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from serving.orchestrator.inbox import Inbox
from serving.transport import Connection, ConnectionClosedError

LONGEST_WAIT_S = 0.5


class Reactor:
    """A loop over timers and connections.

    Each turn calls the callbacks that are due, then `turned()`, waits for a connection or the next deadline, and calls
    `readable(j)` for each connection j that has something to receive.
    """

    def __init__(
        self, connections: Mapping[int, Connection], readable: Callable[[int], None], turned: Callable[[], None]
    ) -> None:
        self._connections, self._readable, self._turned = dict(connections), readable, turned
        self._open = set(connections)
        self._deadlines: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._inbox: Inbox | None = None
        self.begin_s = time.perf_counter()

    def restart(self) -> None:
        """Count time from now on."""
        self.begin_s = time.perf_counter()

    def now_s(self) -> float:
        """Return the seconds since the beginning; any thread may ask."""
        return time.perf_counter() - self.begin_s

    def call_at(self, when_s: float, callback: Callable[[], None]) -> None:
        """Schedule a callback for a time of `now_s`.

        A time in the past means at once, but after everything with an earlier deadline.
        """
        heapq.heappush(self._deadlines, (when_s, next(self._order), callback))

    def forget(self, j: int) -> None:
        """Stop waiting for connection j, which is gone."""
        self._open.discard(j)

    def listen(self, inbox: Inbox) -> None:
        """Make calls that other threads put into an inbox, beside all else."""
        self._inbox = inbox

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run turns until `done()` is true."""
        while not done():
            self._call_due()
            self._turned()
            if not done():
                self._wait()

    def _call_due(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= self.now_s():
            heapq.heappop(self._deadlines)[2]()

    def _wait(self) -> None:
        """Wait for a connection or the next deadline, whichever comes first."""
        descriptors = {
            connection.readable: j for j in self._open if (connection := self._connections[j]).readable is not None
        }
        unsent = [descriptor for descriptor, j in descriptors.items() if self._connections[j].unsent]
        busy = [j for j in self._open if self._connections[j].busy]
        limit_s = 0.0 if busy else self._until_next_s()
        calls = [] if self._inbox is None else [self._inbox.readable]
        readable, writable, _ = select.select([*descriptors, *calls], unsent, [], limit_s)
        for descriptor in writable:
            with suppress(ConnectionClosedError):  # the next `receive` raises it
                self._connections[descriptors[descriptor]].flush()
        for j in busy + [descriptors[descriptor] for descriptor in readable if descriptor in descriptors]:
            if j in self._open:
                self._readable(j)
        if self._inbox is not None and self._inbox.readable in readable:
            self._inbox.make_calls()

    def _until_next_s(self) -> float:
        if not self._deadlines:
            return LONGEST_WAIT_S
        return min(max(self._deadlines[0][0] - self.now_s(), 0.0), LONGEST_WAIT_S)
