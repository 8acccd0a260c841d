"""Both ends of a connection over ZeroMQ, for servers on other hosts. A message is two frames, header and body.

Nothing in a message is executed, but nothing is encrypted either, and a server answers anyone who reaches its port:
bind to an address of a trusted network. Either end considers the other gone when its connection ends or when ZeroMQ's
own heartbeats stay unanswered. ZeroMQ answers heartbeats in a thread of its own, so a server that computes for long
does not seem gone.
"""

import queue
import select
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

import zmq
from zmq.utils.monitor import recv_monitor_message

from serving.transport import ConnectionClosedError
from serving.transport.messages import LARGEST_BODY, Kind, Message, ReceivedMessage, WireError, pack, unpack
from system import InputError

HEARTBEAT_MS = 1000
SILENCE_MS = 5000
GRACE_MS = 1000  # the end of an orchestrator may be noticed this long after the next one's first message
# Events that end a connection, also when another program is at the other end.
GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


def _socket(kind: int) -> "zmq.Socket[bytes]":
    """Return a socket with unlimited queues.

    Nothing is dropped, and nothing blocks.
    """
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    for option in (zmq.LINGER, zmq.SNDHWM, zmq.RCVHWM):
        socket.set(option, 0)
    socket.set(zmq.MAXMSGSIZE, LARGEST_BODY)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    return socket


def _unpacked(frames: list[zmq.Frame]) -> Message:
    if len(frames) != 2:
        raise WireError(f"message frames = {len(frames)}: must be two, header and body")
    return unpack(frames[0].bytes, frames[1].buffer)


class ZeromqConnection:
    """The orchestrator's end of a connection over ZeroMQ.

    The server may start after this connects. Once it has gone, it does not come back.
    """

    unsent = False

    def __init__(self, address: str) -> None:
        self._address, self._gone = address, False
        self._socket = _socket(zmq.DEALER)
        self._losses = self._socket.get_monitor_socket(GONE)
        self._readable = select.epoll()
        for socket in (self._socket, self._losses):
            self._readable.register(int(socket.get(zmq.FD)), select.EPOLLIN)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise InputError(f"addresses = {address}: give tcp://HOST:PORT ({error})") from error
        _connections_lost(self._losses)  # the descriptor only signals events that follow a read that found none

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
                messages.append(_unpacked(self._socket.recv_multipart(zmq.NOBLOCK, copy=False)))
        self._gone |= bool(_connections_lost(self._losses))
        if self._gone and not messages:  # messages that came before the end are returned first
            raise ConnectionClosedError(f"connection to {self._address} closed: no server answers there any more")
        return messages

    def close(self) -> None:
        """Close the connection; the server goes on."""
        self._readable.close()
        _close(self._socket, self._losses)


class ZeromqPort:
    """The server's end of a connection over ZeroMQ.

    A thread owns the socket and notes when requests arrive, also while the server computes. The port serves one
    orchestrator at a time; another one is refused unless the first goes within `GRACE_MS`.
    """

    def __init__(self, address: str) -> None:
        self._socket = _socket(zmq.ROUTER)
        self._socket.set(zmq.ROUTER_MANDATORY, 1)  # an answer that cannot be delivered is an error
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.close()
            raise InputError(f"bind = {address}: {_bind_remedy(error)}") from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
        self._losses = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._theirs, self._answers = _pair()
        self._requests: queue.SimpleQueue[tuple[bytes, ReceivedMessage | None]] = queue.SimpleQueue()
        self._current, self._descriptor = b"", -1  # the orchestrator's name in the socket, its connection's descriptor
        self._early: list[tuple[float, list[zmq.Frame]]] = []  # messages of others that came while it was served
        self._sender = b""  # the orchestrator whose request was received last
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """Return the next request.

        If there is none yet, wait for one if `wait` is true, else return None. Raises `ConnectionClosedError` once for
        each orchestrator that has gone.
        """
        try:
            self._sender, request = self._requests.get(block=wait)
        except queue.Empty:
            return None
        if request is None:
            raise ConnectionClosedError("connection closed: the orchestrator has ended")
        return request

    def send(self, *messages: Message) -> None:
        """Send answers to the sender of the last received request.

        They are dropped if it has gone.
        """
        for message in messages:
            self._answers.send_multipart([self._sender, *pack(message)], copy=False)

    def close(self) -> None:
        """End the thread and free the port."""
        self._answers.send(b"")
        self._thread.join()
        self._answers.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self._losses, self._theirs, self._socket):
            poller.register(socket, zmq.POLLIN)
        running = True
        while running:
            ready = dict(poller.poll(GRACE_MS if self._early else None))
            gone = self._descriptor in _connections_lost(self._losses)
            with suppress(zmq.Again):
                while True:
                    self._read(time.perf_counter(), self._socket.recv_multipart(zmq.NOBLOCK, copy=False))
            if gone:  # all its messages have been read by now
                self._end_current()
            if self._theirs in ready:
                running = self._pass_on(self._theirs.recv_multipart(copy=False))
            self._refuse_early()
        self._theirs.close()
        _close(self._socket, self._losses)

    def _pass_on(self, frames: list[zmq.Frame]) -> bool:
        """Send an answer, or return False at the signal to stop."""
        if len(frames) > 1 and not self._deliver(frames) and frames[0].bytes == self._current:
            self._end_current()  # it had gone before its first message was read
        return len(frames) > 1

    def _deliver(self, frames: Sequence[bytes | memoryview | zmq.Frame]) -> bool:
        """Send frames to their orchestrator; return whether it still exists."""
        try:
            self._socket.send_multipart(frames, copy=False)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _read(self, received_s: float, frames: list[zmq.Frame]) -> None:
        """Queue a request of the current orchestrator or the next one.

        Messages of others wait; frames that are not a message are refused.
        """
        sender = frames[0].bytes
        try:
            message = _unpacked(frames[1:])
        except WireError as error:
            self._refuse(sender, str(error))
            return
        if not self._current and message.kind == Kind.READY:
            self._current, self._descriptor = sender, int(frames[-1].get(zmq.SRCFD))
        if sender == self._current:
            self._requests.put((sender, ReceivedMessage(message, received_s)))
        else:
            self._early.append((received_s, frames))

    def _refuse_early(self) -> None:
        """Refuse orchestrators that have waited for `GRACE_MS`."""
        now_s = time.perf_counter()
        late = [frames for since_s, frames in self._early if 1e3 * (now_s - since_s) >= GRACE_MS]
        del self._early[: len(late)]
        for frames in late:
            reason = f"{self.address}: serves another run; wait for its end, or start a server of your own"
            self._refuse(frames[0].bytes, reason)

    def _refuse(self, sender: bytes, reason: str) -> None:
        self._deliver([sender, *pack(Message(Kind.READY, text=reason, refused=True))])

    def _end_current(self) -> None:
        """Replace the orchestrator that has gone by the next that waits."""
        self._requests.put((self._current, None))
        early, self._current, self._descriptor, self._early = self._early, b"", -1, []
        for since_s, frames in early:
            self._read(since_s, frames)


def _pair() -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
    """Return two connected sockets for two threads of this process."""
    one, other = _socket(zmq.PAIR), _socket(zmq.PAIR)
    one.bind(f"inproc://{id(one)}")
    other.connect(f"inproc://{id(one)}")
    return one, other


def _connections_lost(losses: "zmq.Socket[bytes]") -> set[int]:
    """Return the descriptors of connections that ended since the last call."""
    lost = set()
    with suppress(zmq.Again):
        while True:
            lost.add(int(recv_monitor_message(losses, zmq.NOBLOCK)["value"]))
    return lost


def _close(socket: "zmq.Socket[bytes]", losses: "zmq.Socket[bytes]") -> None:
    if not socket.closed:
        socket.disable_monitor()
    losses.close()
    socket.close()


def _bind_remedy(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "the port is in use; end the program that listens there, or choose another port"
    return f"give tcp://HOST:PORT of this machine ({error})"
