"""The orchestrator's end of a connection over ZeroMQ."""

import select
from contextlib import ExitStack, suppress

import zmq

from serving.transport import ConnectionClosedError
from serving.transport.messages import Message, pack
from serving.transport.secret import Secret
from serving.transport.sockets import FAILED, FRAMES, GONE, close, connect, events, frames_of, message_of, unlimited


class ZeromqConnection:
    """The orchestrator's end of a connection over ZeroMQ.

    The server may start after this connects. Once it has gone, it does not come back.
    """

    unsent = False

    def __init__(self, address: str, secret: Secret | None = None) -> None:
        self._address, self._gone, self._end = address, False, "no server answers there any more"
        self._socket = unlimited(zmq.DEALER)
        self._losses = self._socket.get_monitor_socket(GONE)
        self._readable = select.epoll()
        for socket in (self._socket, self._losses):
            self._readable.register(int(socket.get(zmq.FD)), select.EPOLLIN)
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            connect(self._socket, address, secret)
            on_failure.pop_all()
        self._note_end()  # the descriptor only signals events that follow a read that found none

    @property
    def readable(self) -> int:
        """Return a descriptor for messages and the connection's end."""
        return self._readable.fileno()

    @property
    def busy(self) -> bool:
        """Return whether `receive` has something that the descriptor may not show.

        ZeroMQ's descriptor only signals changes since the socket was last used, and sending uses it, too.
        """
        return self._gone or bool(int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN)

    def send(self, *messages: Message) -> None:
        """Queue messages for ZeroMQ's own thread."""
        for message in messages:
            self._socket.send_multipart(pack(message), copy=False)

    def flush(self) -> None:
        """Return at once, as ZeroMQ writes by itself."""

    def receive(self) -> list[Message]:
        """Return the messages that are complete."""
        messages: list[Message] = []
        with suppress(zmq.Again):
            while True:
                messages.append(message_of(frames_of(self._socket, FRAMES)))
        self._note_end()
        if self._gone and not messages:  # messages that came before the end are returned first
            raise ConnectionClosedError(f"connection to {self._address} closed: {self._end}")
        return messages

    def _note_end(self) -> None:
        """Note the end of the connection, and whether it was greeted at all."""
        ends = events(self._losses)
        self._gone |= bool(ends)
        if any(event & FAILED for event, _ in ends):
            self._end = "the greeting failed; give both ends the same secret, or none, and check the port"

    def close(self) -> None:
        """Close the connection; the server goes on."""
        self._readable.close()
        close(self._socket, self._losses)
