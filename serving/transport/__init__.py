"""The transport between the orchestrator and its servers: one `Connection` for each server.

There are several kinds. None of them ever blocks the orchestrator's loop: `send` keeps what cannot be written yet.
"""

from typing import Protocol

from serving.transport.messages import Message
from system import InputError


class ConnectionClosedError(InputError):
    """The server at the other end is gone."""


class Connection(Protocol):
    """The orchestrator's end of a connection to one server."""

    @property
    def readable(self) -> int | None:
        """Return the file descriptor that is readable when `receive` may have something.

        None if there is none, so that `busy` is the only sign.
        """

    @property
    def unsent(self) -> bool:
        """Return whether data waits to be written.

        If so, `flush` must be called when that is possible.
        """

    @property
    def busy(self) -> bool:
        """Return whether `receive` may have something without any event on the descriptor."""

    def send(self, *messages: Message) -> None:
        """Send messages, in one go if possible, without blocking.

        Raises `ConnectionClosedError` if the server is gone.
        """

    def flush(self) -> None:
        """Write what can be written now."""

    def receive(self) -> list[Message]:
        """Return the messages that are complete.

        Raises `ConnectionClosedError` if no more will come.
        """

    def close(self) -> None:
        """Close the connection; a server that nothing else can reach ends."""
