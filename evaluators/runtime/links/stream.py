"""A link over a connected stream socket, such as the pair that a process and its child share; and its other end."""

import select
import socket
from collections import deque

from evaluators.runtime.links import LinkClosedError
from evaluators.runtime.wire import HEADER, Message, Request, body_bytes, pack, unpack

BUFFER_BYTES = 1 << 22


class Incoming:
    """One message after another, in pieces of any size, each read into its place."""

    def __init__(self) -> None:
        self._header, self._body, self._filled = bytearray(HEADER.size), bytearray(), 0

    def room(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        if self._filled < HEADER.size:
            return memoryview(self._header)[self._filled :]
        return memoryview(self._body)[self._filled - HEADER.size :]

    def filled(self, count: int) -> Message | None:
        """So many bytes have come: the message if that was the last of it."""
        self._filled += count
        if self._filled == HEADER.size:
            self._body = bytearray(body_bytes(self._header))
        if self._filled < HEADER.size + len(self._body):
            return None
        message = unpack(self._header, self._body)
        self._header, self._body, self._filled = bytearray(HEADER.size), bytearray(), 0
        return message


class StreamLink:
    """The orchestrator's end."""

    busy = False

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._socket, self._incoming = connected, Incoming()
        self._outgoing: deque[memoryview] = deque()

    @property
    def readable(self) -> int:
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        return bool(self._outgoing)

    def send(self, message: Message) -> None:
        header, body = pack(message)
        self._outgoing += [memoryview(header), body] if body.nbytes else [memoryview(header)]
        self.flush()

    def flush(self) -> None:
        try:
            while self._outgoing:
                sent = self._socket.send(self._outgoing[0])
                rest = self._outgoing.popleft()[sent:]
                if rest.nbytes:
                    self._outgoing.appendleft(rest)
        except BlockingIOError:
            return
        except OSError as error:
            raise LinkClosedError(f"connection closed: {error.strerror}") from error

    def receive(self) -> list[Message]:
        messages: list[Message] = []
        try:
            while count := self._socket.recv_into(self._incoming.room()):
                message = self._incoming.filled(count)
                if message is not None:
                    messages.append(message)
        except BlockingIOError:
            return messages
        except OSError as error:
            raise LinkClosedError(f"connection closed: {error.strerror}") from error
        if not messages:  # what came before the end is given first; the end is still there at the next call
            raise LinkClosedError("connection closed: the server has ended")
        return messages

    def close(self) -> None:
        self._socket.close()


class StreamPort:
    """The server's end, on the orchestrator's machine: both read one clock, so a message tells when it was sent."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._socket, self._incoming = connected, Incoming()

    def receive(self, wait: bool) -> Request | None:
        """The next request; without `wait` None if there is none yet. Raises `LinkClosedError` at the end."""
        if not wait and not select.select([self._socket], [], [], 0.0)[0]:
            return None
        try:
            while count := self._socket.recv_into(self._incoming.room()):
                message = self._incoming.filled(count)
                if message is not None:
                    return Request(message, message.sent_s)
        except OSError as error:
            raise LinkClosedError(f"connection closed: {error.strerror}") from error
        raise LinkClosedError("connection closed: the orchestrator has ended")

    def send(self, message: Message) -> None:
        header, body = pack(message)
        try:
            self._socket.sendall(header)
            self._socket.sendall(body)
        except OSError as error:
            raise LinkClosedError(f"connection closed: {error.strerror}") from error
