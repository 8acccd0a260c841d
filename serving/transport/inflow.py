"""What connections of a ZeroMQ socket have sent since their last complete message.

ZeroMQ shows a message only once all its frames are there, and has no bound on their number: an empty frame costs two
bytes on the wire and 64 bytes of memory. So a server asks the kernel how many bytes each connection has sent, and ends
connections that send more than a message can have.
"""

import fcntl
import os
import socket
import struct
import termios
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from serving.transport.messages import HEADER, LARGEST_BODY
from system.limits import UNREAD_BYTES, WAITING_PER_SLOT, WAITING_REQUESTS

INFO_BYTES, RECEIVED_AT = 136, 128  # of Linux' tcp_info: its length up to and its offset of the bytes received
LOOK_S = 0.01  # between two looks
LONG_FRAME = 256  # bytes, from which a frame's length takes 8 bytes instead of 1
BOX_BYTES = 33  # of CURVE, for each frame
HEARTBEAT_BYTES_PER_S = 200.0  # more than heartbeats take, which are never part of a message


class Inflow:
    """The bytes that each connection has sent, and how often it was refused.

    A connection is named by its descriptor. `is_encrypted` connections take more bytes for a frame.
    """

    def __init__(self, is_encrypted: bool) -> None:
        self._box_bytes = BOX_BYTES if is_encrypted else 0
        self._taken: dict[int, float] = {}  # bytes of complete messages and of heartbeats
        self._refusals: Counter[int] = Counter()
        self._active: set[int] = set()  # connections with a complete message since the last look
        self._closing: set[int] = set()
        self._suspects: set[int] = set()  # connections that had sent too much at the last look
        self._looked_s = time.monotonic()
        self.allow(LARGEST_BODY, 1)

    def __bool__(self) -> bool:
        return bool(self._taken)

    def allow(self, body_bytes: int, slot_count: int) -> None:
        """Allow bodies of this size, and requests for this many cache slots."""
        self._most = body_bytes + UNREAD_BYTES
        waiting = WAITING_REQUESTS + WAITING_PER_SLOT * slot_count
        self._most_waiting = self._most + body_bytes * slot_count + waiting * (HEADER.size + self._box_bytes)

    def begin(self, descriptor: int) -> None:
        """Note a new connection."""
        self._taken.setdefault(descriptor, 0.0)

    def end(self, descriptor: int) -> None:
        """Forget a connection that has ended."""
        self._taken.pop(descriptor, None)
        del self._refusals[descriptor]
        self._suspects.discard(descriptor)
        self._closing.discard(descriptor)

    def take(self, descriptor: int, frame_bytes: Iterable[int]) -> None:
        """Note a complete message of a connection."""
        self._active.add(descriptor)
        boxes = [count + self._box_bytes for count in frame_bytes]
        taken = sum(box + (2 if box < LONG_FRAME else 9) for box in boxes)
        self._taken[descriptor] = self._taken.get(descriptor, 0.0) + taken

    def refuse(self, descriptor: int) -> int:
        """Note a refused message of a connection, and return how many there were."""
        self._refusals[descriptor] += 1
        return self._refusals[descriptor]

    def close(self, descriptor: int) -> None:
        """Close a connection at the next look, so that it still gets the reason."""
        self._closing.add(descriptor)

    def close_floods(self, all_taken: bool) -> None:
        """Close connections that sent more than may wait, or than a message has.

        The latter can be said if `all_taken`, no complete message waits, at two looks without one in between.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        beats, self._looked_s = HEARTBEAT_BYTES_PER_S * (now_s - self._looked_s), now_s
        for descriptor in self._closing & self._taken.keys():
            _shut(descriptor)
        self._closing.clear()
        for descriptor, taken in list(self._taken.items()):
            bytes_read = _bytes_read(descriptor)
            if all_taken and descriptor in self._active:
                self._taken[descriptor] = bytes_read
                self._suspects.discard(descriptor)
            else:
                self._taken[descriptor] = taken + beats
                self._judge(descriptor, bytes_read - taken, all_taken)
        if all_taken:
            self._active.clear()

    def _judge(self, descriptor: int, unread_bytes: float, all_taken: bool) -> None:
        is_suspect = all_taken and unread_bytes > self._most
        if unread_bytes > self._most_waiting or (is_suspect and descriptor in self._suspects):
            _shut(descriptor)
        (self._suspects.add if is_suspect else self._suspects.discard)(descriptor)


def _bytes_read(descriptor: int) -> int:
    """Return the bytes that ZeroMQ has read from a connection; 0 at its end."""
    try:
        with _same_connection(descriptor) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
            (waiting,) = struct.unpack("=i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    except OSError:
        return 0
    (received,) = struct.unpack_from("=Q", info, RECEIVED_AT)
    return int(received) - int(waiting)


def _shut(descriptor: int) -> None:
    """End a connection; its owner, ZeroMQ, notices that."""
    with suppress(OSError), _same_connection(descriptor) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _same_connection(descriptor: int) -> socket.socket:
    """Return a second descriptor of a TCP connection."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, os.dup(descriptor))
