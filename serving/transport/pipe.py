"""Both ends of a connection over a stream socket, such as the socket pair that a process and its child share."""

import socket
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from serving.transport import ConnectionClosedError
from serving.transport.messages import HEADER, LARGEST_BODY, Message, ReceivedMessage, body_bytes, pack, unpack

BUFFER_BYTES = 1 << 22
PIECES = 64  # buffers that the kernel takes in one call
AHEAD_BYTES = 1 << 16  # a call of the kernel costs more than copying this many bytes


class Incoming:
    """A parser that cuts a stream of bytes into messages.

    Small messages are read many at a time into one buffer. The rest of a large body is read straight into memory of its
    own, which the kernel only provides as it is filled. Bodies of more than `largest` bytes raise `WireError`.
    """

    def __init__(self, largest: int = LARGEST_BODY) -> None:
        self.largest = largest
        self._ahead, self._ahead_count = bytearray(AHEAD_BYTES), 0
        self._header, self._body, self._filled = b"", memoryview(b""), 0

    def room(self) -> memoryview:
        """Return the memory for the next bytes, which is never empty."""
        if self._filled < len(self._body):
            return self._body[self._filled :]
        return memoryview(self._ahead)[self._ahead_count :]

    def advance(self, count: int) -> list[Message]:
        """Return the messages that `count` more bytes in `room()` complete."""
        if self._filled < len(self._body):
            self._filled += count
            return [] if self._filled < len(self._body) else [unpack(self._header, self._body)]
        self._ahead_count += count
        return self._cut()

    def _cut(self) -> list[Message]:
        """Cut the buffer into messages and keep an incomplete rest."""
        messages: list[Message] = []
        begin = 0
        while self._ahead_count - begin >= HEADER.size:
            header = bytes(self._ahead[begin : begin + HEADER.size])
            size, body_begin = body_bytes(header, self.largest), begin + HEADER.size
            body = self._ahead[body_begin : body_begin + min(size, self._ahead_count - body_begin)]
            if len(body) < size:
                if HEADER.size + size > AHEAD_BYTES:
                    self._header, self._body, self._filled = header, np.empty(size, np.uint8).data, len(body)
                    self._body[: len(body)] = body
                    begin = self._ahead_count
                break
            messages.append(unpack(header, body))
            begin = body_begin + size
        self._ahead[: self._ahead_count - begin] = self._ahead[begin : self._ahead_count]
        self._ahead_count -= begin
        return messages


class PipeConnection:
    """The orchestrator's end of a pipe."""

    busy = False

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._socket, self._incoming = connected, Incoming()
        self._outgoing: deque[memoryview] = deque()

    @property
    def readable(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        """Return whether bytes wait to be written."""
        return bool(self._outgoing)

    def send(self, *messages: Message) -> None:
        """Queue messages and write what the kernel takes now."""
        self._outgoing += pieces(messages)
        self.flush()

    def flush(self) -> None:
        """Write what the kernel takes now."""
        try:
            while self._outgoing:
                send_some(self._socket, self._outgoing)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error

    def receive(self) -> list[Message]:
        """Return the messages that are complete."""
        messages: list[Message] = []
        try:
            while count := self._socket.recv_into(self._incoming.room()):
                messages += self._incoming.advance(count)
        except BlockingIOError:
            return messages
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error
        if not messages:  # messages that came before the end are returned first; the next call sees the end again
            raise ConnectionClosedError("connection closed: the server has ended")
        return messages

    def close(self) -> None:
        """Close the socket, which ends the server."""
        self._socket.close()


class PipePort:
    """The server's end of a pipe, on the orchestrator's machine.

    Both processes read the same clock, so a message's time of sending serves as its time of receipt.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._socket, self._incoming = connected, Incoming()
        self._messages: deque[Message] = deque()

    def allow(self, body_bytes: int, slot_count: int) -> None:
        """Limit the bytes of a message's body; the kernel bounds how many wait."""
        self._incoming.largest = body_bytes

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """Return the next request.

        If there is none yet, wait for one if `wait` is true, else return None. Raises `ConnectionClosedError` when the
        orchestrator has gone.
        """
        flags = 0 if wait else socket.MSG_DONTWAIT
        try:
            while not self._messages:
                count = self._socket.recv_into(self._incoming.room(), 0, flags)
                if count == 0:
                    raise ConnectionClosedError("connection closed: the orchestrator has ended")
                self._messages += self._incoming.advance(count)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error
        message = self._messages.popleft()
        return ReceivedMessage(message, message.sent_s)

    def send(self, *messages: Message) -> None:
        """Send answers in one go, so that the orchestrator wakes up once."""
        outgoing = deque(pieces(messages))
        try:
            while outgoing:
                send_some(self._socket, outgoing)
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error


def pieces(messages: Iterable[Message]) -> Iterator[memoryview]:
    """Yield the headers and the bodies of messages, but no empty ones."""
    for message in messages:
        header, body = pack(message)
        yield memoryview(header)
        if body.nbytes:
            yield body


def send_some(connected: socket.socket, outgoing: deque[memoryview]) -> None:
    """Move what the kernel takes in one call out of `outgoing`."""
    count = connected.sendmsg(islice(outgoing, PIECES))
    while count:
        piece = outgoing.popleft()
        if count < piece.nbytes:
            outgoing.appendleft(piece[count:])
        count -= min(count, piece.nbytes)
