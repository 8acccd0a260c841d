"""How the orchestrator reaches its servers: a `Link` for each, of one of several kinds.

The orchestrator's loop never blocks on a link: `send` keeps what cannot be written yet.
"""

from typing import Protocol

from serving.transport.messages import Message
from system import InputError


class ConnectionClosedError(InputError):
    """The server at the other end is gone."""


class Connection(Protocol):
    @property
    def readable(self) -> int | None:
        """The file descriptor that is readable when `receive` may have something; None if it has to be asked."""

    @property
    def unsent(self) -> bool:
        """Whether something waits to be written, so that `flush` is to be called when that is possible."""

    @property
    def busy(self) -> bool:
        """Whether `receive` will have something without anything happening on a descriptor."""

    def send(self, *messages: Message) -> None:
        """Send messages in one go if possible, never blocking; raise `ConnectionClosedError` if nobody is there."""

    def flush(self) -> None:
        """Write what can be written now."""

    def receive(self) -> list[Message]:
        """The messages that are complete; raises `ConnectionClosedError` if there will be no more."""

    def close(self) -> None:
        """A server that is reached by this link alone ends."""
