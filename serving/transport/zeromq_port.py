"""The server's end of connections over ZeroMQ, for servers on other hosts. A message is two frames, header and body.

Nothing in a message is executed. A server's port is on the loopback interface, or asks for a secret at the greeting, or
is declared open to anyone who reaches it. Either end considers the other gone when its connection ends or when ZeroMQ's
own heartbeats stay unanswered. ZeroMQ answers heartbeats in a thread of its own, so a server that computes for long
does not seem gone.
"""

import queue
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

import zmq

from serving.transport import ConnectionClosedError
from serving.transport.inflow import LOOK_S, Inflow
from serving.transport.messages import LARGEST_BODY, Kind, Message, ReceivedMessage, WireError, pack
from serving.transport.secret import Secret
from serving.transport.sockets import (
    FRAMES,
    close,
    descriptor_of,
    events,
    frames_of,
    listen,
    message_of,
    pair,
    unlimited,
)
from serving.transport.waiting import WaitingRequests
from system.limits import GUESTS, REFUSALS

GRACE_MS = 1000  # the end of an orchestrator may be noticed this long after the next one's first message
LOOK_MS = round(1000 * LOOK_S)
AT_ONCE = 256  # messages that are read before answers are sent


class ZeromqPort:
    """The server's end of a connection over ZeroMQ.

    A thread owns the socket and notes when requests arrive, also while the server computes. The port serves one
    orchestrator at a time; another one is refused unless the first goes within `GRACE_MS`. Its host must be of the
    loopback interface, unless clients need a `secret` or the port `is_open` to anyone. A client that sends more than an
    orchestrator needs, is often refused or does not read its answers loses its connection.
    """

    def __init__(self, address: str, secret: Secret | None = None, is_open: bool = False) -> None:
        self._socket = unlimited(zmq.ROUTER)
        self._losses = listen(self._socket, address, secret, is_open)
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
        self._theirs, self._answers = pair()
        self._requests, self._inflow, self._largest = WaitingRequests(), Inflow(secret is not None), LARGEST_BODY
        self._current, self._descriptor = b"", -1  # the orchestrator's name in the socket, its connection's descriptor
        self._early: list[tuple[bytes, int, ReceivedMessage]] = []  # requests of others that came while it was served
        self._ended: set[bytes] = set()  # clients that have gone or were sent away; messages of theirs may be unread
        self._stopped = False
        self._failure: Exception | None = None
        self._sender = b""  # the orchestrator whose request was received last
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def allow(self, body_bytes: int, slot_count: int) -> None:
        """Limit the bytes of a message's body, and the requests that may wait."""
        self._largest = body_bytes
        self._requests.allow(body_bytes, slot_count)
        self._inflow.allow(body_bytes, slot_count)

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """Return the next request.

        If there is none yet, wait for one if `wait` is true, else return None. Raises `ConnectionClosedError` after
        orchestrators have gone; their requests that were not received are dropped.
        """
        try:
            self._sender, request = self._requests.get(wait)
        except queue.Empty:
            return None
        if self._failure is not None:
            raise self._failure
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
        """Serve the socket until it is closed.

        `receive` raises the error that ends it, as no server may live on without its port.
        """
        try:
            self._serve_socket()
        except Exception as error:
            self._failure = error
            self._requests.end(b"")
        finally:
            self._theirs.close()
            close(self._socket, self._losses)

    def _serve_socket(self) -> None:
        poller = zmq.Poller()
        for socket in (self._losses, self._theirs, self._socket):
            poller.register(socket, zmq.POLLIN)
        while not self._stopped:
            ready = dict(poller.poll(LOOK_MS if self._inflow else None))
            gone = self._losses in ready and self._note_connections()
            self._inflow.close_floods(all_taken=self._read_some())
            if gone:
                self._end_current()
            if self._theirs in ready:
                self._pass_on()
            self._refuse_early()

    def _note_connections(self) -> bool:
        """Note which connections began and ended; return whether the current one ended."""
        gone = False
        for event, descriptor in events(self._losses):
            if event == zmq.EVENT_ACCEPTED:
                self._inflow.begin(descriptor)
            else:
                self._inflow.end(descriptor)
                gone |= descriptor == self._descriptor
        return gone

    def _read_some(self) -> bool:
        """Read messages; return whether all that were complete are read."""
        for _ in range(AT_ONCE):
            try:
                frames = frames_of(self._socket, 1 + FRAMES)
            except zmq.Again:
                self._ended.clear()
                return True
            self._read(time.perf_counter(), frames)
        return False

    def _pass_on(self) -> None:
        """Send the answers that wait, up to the signal to stop."""
        with suppress(zmq.Again):
            for _ in range(AT_ONCE if not self._stopped else 0):
                frames = self._theirs.recv_multipart(zmq.NOBLOCK, copy=False)
                self._stopped = len(frames) == 1
                if not self._stopped and frames[0].bytes not in self._ended:
                    self._answer(frames)

    def _answer(self, frames: list[zmq.Frame]) -> None:
        """Send an answer; an orchestrator to which that is impossible has ended."""
        if not self._deliver(frames, self._descriptor) and frames[0].bytes == self._current:
            self._end_current()

    def _deliver(self, frames: Sequence[bytes | memoryview | zmq.Frame], descriptor: int) -> bool:
        """Send frames to their orchestrator; return whether that was possible.

        One that does not read what it gets loses its connection. One that has gone may have passed the descriptor on.
        """
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=False)
        except zmq.Again:
            self._inflow.close(descriptor)
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _read(self, received_s: float, frames: list[zmq.Frame]) -> None:
        """Queue a request of the current orchestrator or the next one.

        Frames that are not a message are refused.
        """
        sender = frames[0].bytes
        if sender in self._ended:
            return
        descriptor = self._descriptor if sender == self._current else descriptor_of(frames[-1])
        if descriptor is None:  # the connection is closed once it has sent more than a message has
            return
        self._inflow.take(descriptor, map(len, frames[1:]))
        try:
            request = ReceivedMessage(message_of(frames[1:], self._largest), received_s)
        except WireError as error:
            self._refuse(sender, descriptor, str(error))
            return
        self._take(sender, descriptor, request)

    def _take(self, sender: bytes, descriptor: int, request: ReceivedMessage) -> None:
        """Queue a request of the current orchestrator or keep it; refuse those of strangers."""
        if not self._current and request.message.kind == Kind.READY:
            self._note_connections()  # an earlier connection may have had the same descriptor
            self._current, self._descriptor = sender, descriptor
        is_guest = request.message.kind == Kind.READY or any(sender == early for early, _, _ in self._early)
        if sender == self._current and not self._requests.is_full:
            self._requests.put(sender, request)
        elif sender == self._current:
            self._refuse(sender, descriptor, "requests: too many wait at this server; await its answers", most=0)
            self._end_current()
        elif is_guest and len(self._early) < GUESTS and request.message.hidden is None:
            self._early.append((sender, descriptor, request))
        else:
            self._refuse(sender, descriptor, "message: the first one must ask whether the server is ready; send READY")

    def _refuse_early(self) -> None:
        """Refuse orchestrators that have waited for `GRACE_MS`."""
        late_s = time.perf_counter() - GRACE_MS / 1e3
        late = [(sender, descriptor) for sender, descriptor, request in self._early if request.received_s <= late_s]
        del self._early[: len(late)]
        for sender, descriptor in late:
            reason = f"{self.address}: serves another run; wait for its end, or start a server of your own"
            self._refuse(sender, descriptor, reason)

    def _refuse(self, sender: bytes, descriptor: int, reason: str, most: int = REFUSALS) -> None:
        """Refuse a message; a client with more than `most` refusals loses its connection."""
        refusal = pack(Message(Kind.READY, text=reason, refused=True))
        if not self._deliver([sender, *refusal], descriptor):
            self._ended.add(sender)
        elif self._inflow.refuse(descriptor) > most:
            self._inflow.close(descriptor)
            self._ended.add(sender)

    def _end_current(self) -> None:
        """Replace the orchestrator that has gone by the next that waits."""
        self._requests.end(self._current)
        self._ended.add(self._current)
        early, self._current, self._descriptor, self._early = self._early, b"", -1, []
        for sender, descriptor, request in early:
            self._take(sender, descriptor, request)
