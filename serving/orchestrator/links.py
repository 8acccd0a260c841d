"""The orchestrator's links to its servers: messages to send together, answers that are owed, and losses."""

from collections.abc import Iterator, Mapping

from serving.transport import Connection, ConnectionClosedError
from serving.transport.messages import Kind, Message

ANSWERS = (Kind.STEP, Kind.STATS)  # kinds that a server owes an answer to


class ServerLinks:
    """Connections to servers, with the messages that wait for the end of the turn.

    A server is silent when it owes answers and was not heard for a time. `lost` has the reason for each lost server.
    """

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        self.connections = dict(connections)
        self.lost: dict[int, str] = {}
        self._outbox: dict[int, list[Message]] = {j: [] for j in connections}
        self._owed = dict.fromkeys(connections, 0)
        self._heard_s = dict.fromkeys(connections, 0.0)

    @property
    def remaining(self) -> set[int]:
        """Return the servers that are not lost."""
        return self.connections.keys() - self.lost.keys()

    def put(self, server: int, *messages: Message) -> None:
        """Queue messages that need no answer, unless the server is lost."""
        if server not in self.lost:
            self._outbox[server] += messages

    def ask(self, server: int, now_s: float, *messages: Message) -> None:
        """Queue messages of which the server owes one answer.

        If it owed none, its silence begins now.
        """
        self._outbox[server] += messages
        if self._owed[server] == 0:
            self._heard_s[server] = now_s
        self._owed[server] += 1

    def send_all(self) -> Iterator[tuple[int, str]]:
        """Send what waits; yield the servers whose connections are broken, with the reasons."""
        for server, messages in self._outbox.items():
            if messages and server not in self.lost:
                try:
                    self.connections[server].send(*messages)
                except ConnectionClosedError as error:
                    yield server, str(error)
            messages.clear()

    def receive(self, server: int, now_s: float) -> Iterator[Message]:
        """Yield the messages that have come from a server; raise as its connection does."""
        for message in self.connections[server].receive():
            self._heard_s[server] = now_s
            self._owed[server] -= message.kind in ANSWERS
            yield message

    def silent(self, since_s: float) -> list[int]:
        """Return the servers that owe answers and were not heard since a time."""
        return [server for server in self.remaining if self._owed[server] > 0 and self._heard_s[server] < since_s]

    def lose(self, server: int, reason: str) -> None:
        """Close a server's connection and use it no more."""
        self.lost[server] = reason
        self.connections[server].close()

    def losses(self) -> str:
        """Return the lost servers with their reasons, as a part of a sentence."""
        return "; ".join(f"server {server} was lost: {reason}" for server, reason in self.lost.items())
