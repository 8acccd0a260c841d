"""Links over ZeroMQ to servers on other hosts: a message is two frames, header and body.

Nothing in a message is run, but nothing is encrypted either and whoever reaches the port is served: bind to an address
of a network that is trusted. Either end takes the other for gone when its connection ends, or when ZeroMQ's own
heartbeats stay unanswered: these need no help of the program, so a server that computes for long is not silent.
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
GRACE_MS = 1000  # an orchestrator's end may be heard of after the next one's first word
# Of another program at the other end, too.
GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


def _socket(kind: int) -> "zmq.Socket[bytes]":
    """One whose queues have no limit, so that nothing is dropped and nobody blocks."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    for option in (zmq.LINGER, zmq.SNDHWM, zmq.RCVHWM):
        socket.set(option, 0)
    socket.set(zmq.MAXMSGSIZE, LARGEST_BODY)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    return socket


def _unpacked(frames: list[zmq.Frame]) -> Message:
    if len(frames) != 2:
        raise WireError(f"message of {len(frames)} parts: must be two, header and body")
    return unpack(frames[0].bytes, frames[1].buffer)


class ZeromqConnection:
    """The orchestrator's end. A server that is not there yet may come later; one that goes does not come back."""

    unsent = False

    def __init__(self, address: str) -> None:
        self._address, self._gone = address, False
        self._socket = _socket(zmq.DEALER)
        self._losses = self._socket.get_monitor_socket(GONE)
        self._readable = select.epoll()
        for each in (self._socket, self._losses):
            self._readable.register(int(each.get(zmq.FD)), select.EPOLLIN)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise InputError(f"addresses = {address}: give tcp://HOST:PORT ({error})") from error
        _connections_lost(self._losses)  # a descriptor tells of what comes after a look that found nothing

    @property
    def readable(self) -> int:
        return self._readable.fileno()

    @property
    def busy(self) -> bool:
        """ZeroMQ's descriptor tells only that something has changed since it was asked, and sending asks it, too."""
        return self._gone or bool(int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN)

    def send(self, *messages: Message) -> None:
        for message in messages:
            self._socket.send_multipart(pack(message), copy=False)

    def flush(self) -> None:
        """Nothing waits."""

    def receive(self) -> list[Message]:
        messages: list[Message] = []
        with suppress(zmq.Again):
            while True:
                messages.append(_unpacked(self._socket.recv_multipart(zmq.NOBLOCK, copy=False)))
        self._gone |= bool(_connections_lost(self._losses))
        if self._gone and not messages:  # what came before the end is given first
            raise ConnectionClosedError(f"connection to {self._address} closed: no server answers there any more")
        return messages

    def close(self) -> None:
        self._readable.close()
        _close(self._socket, self._losses)


class ZeromqPort:
    """The server's end: a thread owns the socket and stamps requests as they come, whatever is computed meanwhile.

    It serves one orchestrator at a time. Another one is refused unless the first goes within `GRACE_MS`.
    """

    def __init__(self, address: str) -> None:
        self._socket = _socket(zmq.ROUTER)
        self._socket.set(zmq.ROUTER_MANDATORY, 1)  # what cannot be sent is an error
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.close()
            raise InputError(f"bind = {address}: {_why_not(error)}") from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
        self._losses = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._theirs, self._answers = _pair()
        self._requests: queue.SimpleQueue[tuple[bytes, ReceivedMessage | None]] = queue.SimpleQueue()
        self._guest, self._connection = b"", -1  # the orchestrator's name in the socket, and its connection's
        self._early: list[tuple[float, list[zmq.Frame]]] = []  # first words of those that come before it has gone
        self._host = b""  # the orchestrator whose request was taken last
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """Return the next request, or None if none is there and `wait` is false.

        Raises `ConnectionClosedError` once at each end.
        """
        try:
            self._host, request = self._requests.get(block=wait)
        except queue.Empty:
            return None
        if request is None:
            raise ConnectionClosedError("connection closed: the orchestrator has ended")
        return request

    def send(self, *messages: Message) -> None:
        """To the orchestrator whose request was received last; nowhere if it has gone."""
        for message in messages:
            self._answers.send_multipart([self._host, *pack(message)], copy=False)

    def close(self) -> None:
        """The port is free again."""
        self._answers.send(b"")
        self._thread.join()
        self._answers.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self._losses, self._theirs, self._socket):
            poller.register(socket, zmq.POLLIN)
        going = True
        while going:
            there = dict(poller.poll(GRACE_MS if self._early else None))
            gone = self._connection in _connections_lost(self._losses)
            with suppress(zmq.Again):
                while True:
                    self._take_in(time.perf_counter(), self._socket.recv_multipart(zmq.NOBLOCK, copy=False))
            if gone:  # all is read that it had said
                self._farewell()
            if self._theirs in there:
                going = self._pass_on(self._theirs.recv_multipart(copy=False))
            self._refuse_early()
        self._theirs.close()
        _close(self._socket, self._losses)

    def _pass_on(self, frames: list[zmq.Frame]) -> bool:
        """An answer; False if it is the word to stop."""
        if len(frames) > 1 and not self._reaches(frames) and frames[0].bytes == self._guest:
            self._farewell()  # it had gone before its first word was read
        return len(frames) > 1

    def _reaches(self, frames: Sequence[bytes | memoryview | zmq.Frame]) -> bool:
        """Whether there still is an orchestrator of that name to send it to."""
        try:
            self._socket.send_multipart(frames, copy=False)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _take_in(self, received_s: float, frames: list[zmq.Frame]) -> None:
        """A request of our orchestrator, or the first one of the next; anything else is refused."""
        sender = frames[0].bytes
        try:
            message = _unpacked(frames[1:])
        except WireError as error:
            self._refuse(sender, str(error))
            return
        if not self._guest and message.kind == Kind.READY:
            self._guest, self._connection = sender, int(frames[-1].get(zmq.SRCFD))
        if sender == self._guest:
            self._requests.put((sender, ReceivedMessage(message, received_s)))
        else:
            self._early.append((received_s, frames))

    def _refuse_early(self) -> None:
        """Those that have waited for long enough."""
        now_s = time.perf_counter()
        late = [frames for since_s, frames in self._early if 1e3 * (now_s - since_s) >= GRACE_MS]
        del self._early[: len(late)]
        for frames in late:
            why = f"{self.address}: serves another run; wait for its end, or start a server of your own"
            self._refuse(frames[0].bytes, why)

    def _refuse(self, sender: bytes, why: str) -> None:
        self._reaches([sender, *pack(Message(Kind.READY, text=why, refused=True))])

    def _farewell(self) -> None:
        """Our orchestrator has gone; one that has come early is the next."""
        self._requests.put((self._guest, None))
        early, self._guest, self._connection, self._early = self._early, b"", -1, []
        for since_s, frames in early:
            self._take_in(since_s, frames)


def _pair() -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
    """Two connected sockets for two threads of this process."""
    one, other = _socket(zmq.PAIR), _socket(zmq.PAIR)
    one.bind(f"inproc://{id(one)}")
    other.connect(f"inproc://{id(one)}")
    return one, other


def _connections_lost(losses: "zmq.Socket[bytes]") -> set[int]:
    """The numbers of the connections that have ended since this was asked last."""
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


def _why_not(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "the port is in use; end what listens there, or choose another port"
    return f"give tcp://HOST:PORT of this machine ({error})"
