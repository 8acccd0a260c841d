"""Calls from other threads to the orchestrator's loop, which has no locks."""

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Inbox:
    """Calls that any thread may add and one loop makes, in order.

    The loop waits for the descriptor beside those of its connections.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
        self._calls: deque[Callable[[], object]] = deque()
        self.closed = False

    @property
    def readable(self) -> int:
        """Return the descriptor that is readable when there are calls to make."""
        return self._receiver.fileno()

    def call(self, callback: Callable[[], object]) -> None:
        """Add a call and wake the loop."""
        self._calls.append(callback)
        with suppress(BlockingIOError):  # the loop has not read earlier wake-ups and will see this call, too
            self._sender.send(b"\0")

    def make_calls(self) -> None:
        """Make the calls that were added so far."""
        with suppress(BlockingIOError):
            self._receiver.recv(4096)
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def close(self) -> None:
        """End the loop, after the calls that were added before."""
        self.call(lambda: setattr(self, "closed", True))

    def release(self) -> None:
        """Release the descriptors; the loop must have ended."""
        self._receiver.close()
        self._sender.close()
