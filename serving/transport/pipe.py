"""A link over a connected stream socket, such as the pair that a process and its child share; and its other end."""

import socket
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from serving.transport import ConnectionClosedError
from serving.transport.messages import HEADER, Message, ReceivedMessage, body_bytes, pack, unpack

BUFFER_BYTES = 1 << 22
PIECES = 64  # that the kernel takes at once
AHEAD_BYTES = 1 << 16  # a call of the kernel costs more than to copy so much


class Incoming:
    """Messages out of a stream of bytes: as many as have come at once, and a large body straight into its place."""

    def __init__(self) -> None:
        self._ahead, self._come = bytearray(AHEAD_BYTES), 0
        self._header, self._body, self._filled = b"", bytearray(), 0

    def room(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        if self._filled < len(self._body):
            return memoryview(self._body)[self._filled :]
        return memoryview(self._ahead)[self._come :]

    def filled(self, count: int) -> list[Message]:
        """So many bytes have come: the messages that they complete."""
        if self._filled < len(self._body):
            self._filled += count
            return [] if self._filled < len(self._body) else [unpack(self._header, self._body)]
        self._come += count
        return self._cut()

    def _cut(self) -> list[Message]:
        """Cut what has come into messages; of an incomplete one the begin is kept."""
        messages: list[Message] = []
        begin = 0
        while self._come - begin >= HEADER.size:
            header = bytes(self._ahead[begin : begin + HEADER.size])
            size, at = body_bytes(header), begin + HEADER.size
            body = self._ahead[at : at + min(size, self._come - at)]
            if len(body) < size:
                if HEADER.size + size > AHEAD_BYTES:
                    self._header, self._body, self._filled = header, body.ljust(size, b"\0"), len(body)
                    begin = self._come
                break
            messages.append(unpack(header, body))
            begin = at + size
        self._ahead[: self._come - begin] = self._ahead[begin : self._come]
        self._come -= begin
        return messages


class PipeConnection:
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

    def send(self, *messages: Message) -> None:
        self._outgoing += pieces(messages)
        self.flush()

    def flush(self) -> None:
        try:
            while self._outgoing:
                send_some(self._socket, self._outgoing)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error

    def receive(self) -> list[Message]:
        messages: list[Message] = []
        try:
            while count := self._socket.recv_into(self._incoming.room()):
                messages += self._incoming.filled(count)
        except BlockingIOError:
            return messages
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error
        if not messages:  # what came before the end is given first; the end is still there at the next call
            raise ConnectionClosedError("connection closed: the server has ended")
        return messages

    def close(self) -> None:
        self._socket.close()


class PipePort:
    """The server's end, on the orchestrator's machine: both read one clock, so a message tells when it was sent."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._socket, self._incoming = connected, Incoming()
        self._messages: deque[Message] = deque()

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """The next request; without `wait` None if there is none yet. Raises `ConnectionClosedError` at the end."""
        flags = 0 if wait else socket.MSG_DONTWAIT
        try:
            while not self._messages:
                count = self._socket.recv_into(self._incoming.room(), 0, flags)
                if count == 0:
                    raise ConnectionClosedError("connection closed: the orchestrator has ended")
                self._messages += self._incoming.filled(count)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error
        message = self._messages.popleft()
        return ReceivedMessage(message, message.sent_s)

    def send(self, *messages: Message) -> None:
        """In one go, so that the orchestrator is woken once."""
        outgoing = deque(pieces(messages))
        try:
            while outgoing:
                send_some(self._socket, outgoing)
        except OSError as error:
            raise ConnectionClosedError(f"connection closed: {error.strerror}") from error


def pieces(messages: Iterable[Message]) -> Iterator[memoryview]:
    """Their headers and bodies, none empty."""
    for message in messages:
        header, body = pack(message)
        yield memoryview(header)
        if body.nbytes:
            yield body


def send_some(connected: socket.socket, outgoing: deque[memoryview]) -> None:
    """Give the kernel what it takes at once, and drop that."""
    count = connected.sendmsg(islice(outgoing, PIECES))
    while count:
        piece = outgoing.popleft()
        if count < piece.nbytes:
            outgoing.appendleft(piece[count:])
        count -= min(count, piece.nbytes)
