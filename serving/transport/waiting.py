"""Requests that wait at a server: between the thread that reads them and the one that answers."""

import queue
from contextlib import suppress
from threading import Lock

from serving.transport.messages import LARGEST_BODY, ReceivedMessage
from system.limits import WAITING_PER_SLOT, WAITING_REQUESTS


class WaitingRequests:
    """The requests of an orchestrator in their order, and its end."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[bytes, ReceivedMessage | None]] = queue.SimpleQueue()
        self._lock, self._count, self._bytes = Lock(), 0, 0
        self.allow(LARGEST_BODY, 1)

    def allow(self, body_bytes: int, slot_count: int) -> None:
        """Allow as many requests and bytes as jobs in so many cache slots need."""
        self._most, self._most_bytes = WAITING_REQUESTS + WAITING_PER_SLOT * slot_count, body_bytes * slot_count

    @property
    def is_full(self) -> bool:
        """Return whether more requests or bytes wait than an orchestrator needs."""
        return self._count >= self._most or self._bytes > self._most_bytes

    def put(self, sender: bytes, request: ReceivedMessage) -> None:
        """Append a request."""
        self._add(request, 1)
        self._queue.put((sender, request))

    def end(self, sender: bytes) -> None:
        """Drop the requests of an orchestrator that has gone and append its end."""
        with suppress(queue.Empty):
            while True:
                self.get(wait=False)
        self._queue.put((sender, None))

    def get(self, wait: bool) -> tuple[bytes, ReceivedMessage | None]:
        """Return the next sender and its request, which is None at its end.

        Raises `queue.Empty` if there is none and `wait` is false.
        """
        sender, request = self._queue.get(block=wait)
        if request is not None:
            self._add(request, -1)
        return sender, request

    def _add(self, request: ReceivedMessage, count: int) -> None:
        hidden = request.message.hidden
        with self._lock:
            self._count += count
            self._bytes += count * (0 if hidden is None else hidden.nbytes)
