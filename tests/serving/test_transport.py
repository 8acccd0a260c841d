"""Messages and connections: messages arrive unchanged and in order, however they are cut; nonsense is refused."""

import select
import socket
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system import InputError
from tests.support.project import NEEDS_RUNTIME

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
zmq = pytest.importorskip("zmq", reason=NEEDS_RUNTIME)

from serving.orchestrator.reactor import Reactor  # noqa: E402
from serving.transport import ConnectionClosedError, sockets  # noqa: E402
from serving.transport.messages import DTYPES, HEADER, MAGIC, Kind, Message, WireError, pack, unpack  # noqa: E402
from serving.transport.pipe import PipeConnection, PipePort  # noqa: E402
from serving.transport.zeromq_connection import ZeromqConnection  # noqa: E402
from serving.transport.zeromq_port import ZeromqPort  # noqa: E402

WHOLE = st.integers(0, 2**32 - 1)
TIMES = st.floats(0, 1e6)
WAIT_S = 20.0


@st.composite
def messages(draw):
    tokens, width, seed = draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(0, 99))
    dtype = draw(st.sampled_from([None, *DTYPES]))
    generator = torch.Generator().manual_seed(seed)
    return Message(
        draw(st.sampled_from(Kind)),
        draw(st.integers(0, 2**64 - 1)),
        draw(WHOLE),
        draw(WHOLE),
        *(draw(st.booleans()) for _ in range(2)),
        draw(WHOLE),
        None if dtype is None else torch.randn(1, tokens, width, generator=generator).to(dtype),
        draw(st.text()) if dtype is None else "",
        draw(st.booleans()),
        *(draw(TIMES) for _ in range(4)),
    )


def same(one, other):
    """Return whether two messages, whose hidden states are tensors, are equal."""
    fields = [name for name in vars(one) if name != "hidden"]
    assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
    assert (one.hidden is None) == (other.hidden is None)
    if one.hidden is not None:
        assert one.hidden.dtype == other.hidden.dtype
        return torch.equal(one.hidden, other.hidden)
    return True


@settings(max_examples=1000, deadline=None)
@given(messages())
def test_a_packed_message_is_unpacked_unchanged(message):
    header, body = pack(message)
    assert same(unpack(header, bytearray(body)), message)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=HEADER.size, max_size=HEADER.size), st.binary(max_size=20), st.booleans())
def test_random_bytes_are_refused(header, body, with_magic):
    start = MAGIC if with_magic else b""
    with pytest.raises(WireError, match="not of this program's format"):
        unpack((start + header)[: HEADER.size], bytearray(body))


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [(0, "4s", b"SC01"), (4, "B", 5), (5, "B", 4), (29, "I", 2), (-8, "Q", 2**40), (-8, "Q", 11)],
    ids=["another version", "unknown kind", "unknown dtype", "more tokens", "absurd length", "shorter"],
)
def test_one_wrong_field_of_a_header_is_refused(offset, form, value):
    header, body = map(bytearray, pack(Message(Kind.STEP, hidden=torch.zeros(1, 1, 3))))
    assert same(unpack(header, body), Message(Kind.STEP, hidden=torch.zeros(1, 1, 3)))
    struct.pack_into(f"<{form}", header, offset % HEADER.size, value)
    with pytest.raises(WireError):
        unpack(header, body)


class Pair:
    """Both ends of a connection of one kind, which are closed with it."""

    def __init__(self, kind):
        self._stack = ExitStack()
        if kind == "stream":
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.connection, self.port = PipeConnection(ours), PipePort(theirs)
            self._stack.callback(theirs.close)
        else:
            self.port = self._stack.enter_context(closing(ZeromqPort("tcp://127.0.0.1:*")))
            self.connection = ZeromqConnection(self.port.address)
        self._stack.callback(self.connection.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()


@pytest.fixture(params=["stream", "zeromq"])
def pair(request):
    """Yield both ends of a connection of each kind."""
    with Pair(request.param) as both:
        yield both


def answers(connection, count):
    """Return `count` messages after waiting for them as an orchestrator does.

    It waits on the descriptor unless the connection is busy.
    """
    received, deadline_s = [], time.monotonic() + WAIT_S
    while len(received) < count:
        assert time.monotonic() < deadline_s, f"{len(received)} of {count} messages came"
        readable, writable = [], []
        if not connection.busy:
            unsent = [connection.readable] if connection.unsent else []
            readable, writable, _ = select.select([connection.readable], unsent, [], 1.0)
        if writable:
            connection.flush()
        if connection.busy or readable:
            received += connection.receive()
    return received


def echo(port, count):
    """Start a server that sends `count` messages back, and return its thread."""

    def run():
        with suppress(ConnectionClosedError):
            for _ in range(count):
                port.send(port.receive(wait=True).message)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_large_and_small_messages_arrive_in_order(pair):
    large = torch.randn(1, 512, 8192).to(torch.bfloat16)  # 8 MB
    sent = [
        Message(Kind.READY),
        Message(Kind.STEP, 1, hidden=torch.cat([large, large], dim=1)),  # 16 MB, in thousands of pieces
        *(Message(Kind.OPEN, job, job, 2) for job in range(2, 200)),
        Message(Kind.STEP, 200, hidden=torch.randn(1, 1, 7), queue_s=1.5),
        Message(Kind.CLOSE, 201, text="ü" * 1000, refused=True),
    ]
    thread = echo(pair.port, len(sent))
    for message in sent:
        pair.connection.send(message)
    got = answers(pair.connection, len(sent))
    assert all(same(one, other) for one, other in zip(got, sent, strict=True))
    thread.join(WAIT_S)
    assert pair.port.receive(wait=False) is None


def test_answers_that_came_before_a_message_was_sent_are_not_missed(pair):
    """Check what goes wrong easily with ZeroMQ.

    Its descriptor forgets an arrival when the socket is used for anything.
    """
    echo(pair.port, 20)
    for number in range(10):
        for job in (number, number + 100):
            pair.connection.send(Message(Kind.READY, job))
            time.sleep(0.01)  # the answer has arrived by now
        assert [answer.job for answer in answers(pair.connection, 2)] == [number, number + 100]


def test_a_requests_time_is_that_of_its_arrival_not_of_its_receipt(pair):
    begin_s = time.perf_counter()
    pair.connection.send(Message(Kind.READY, sent_s=begin_s))
    time.sleep(0.2)  # the server computes
    assert begin_s <= pair.port.receive(wait=True).received_s < begin_s + 0.1


def test_a_server_learns_that_the_orchestrator_has_gone(pair):
    pair.connection.send(Message(Kind.READY))
    pair.port.receive(wait=True)
    pair.connection.close()
    with pytest.raises(ConnectionClosedError):
        pair.port.receive(wait=True)


def test_the_orchestrator_learns_that_a_server_has_gone():
    ours, theirs = socket.socketpair()
    stream, port = PipeConnection(ours), ZeromqPort("tcp://127.0.0.1:*")
    over_zeromq = ZeromqConnection(port.address)
    over_zeromq.send(Message(Kind.READY))
    port.receive(wait=True)
    port.send(Message(Kind.READY, 7))
    PipePort(theirs).send(Message(Kind.READY, 7))
    time.sleep(0.1)
    port.close()
    theirs.close()
    for connection in (stream, over_zeromq):
        assert answers(connection, 1)[0].job == 7  # a message that came before the end is returned first
        with pytest.raises(ConnectionClosedError, match="closed"):
            answers(connection, 1)
        connection.close()


def assert_is_served(connection, port, job):
    connection.send(Message(Kind.READY, job))
    assert port.receive(wait=True).message.job == job


def test_a_port_serves_one_orchestrator_at_a_time():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        first, second, third = (ZeromqConnection(port.address) for _ in range(3))
        assert_is_served(first, port, 1)
        second.send(Message(Kind.READY, 2))
        (refusal,) = answers(second, 1)
        assert refusal.refused
        assert "serves another run" in refusal.text
        port.send(Message(Kind.READY, 1))
        assert answers(first, 1)[0].job == 1
        first.send(Message(Kind.OPEN, 5))
        first.close()
        with suppress(ConnectionClosedError):  # messages that it has sent may still come before its end
            while True:
                assert port.receive(wait=True).message.job == 5
        assert_is_served(third, port, 3)
        second.close()  # the server does not care that a stranger goes
        third.send(Message(Kind.OPEN, 4))
        assert port.receive(wait=True).message.job == 4
        port.send(Message(Kind.OPEN, 4))
        assert answers(third, 1)[0].job == 4
        third.close()


def test_an_orchestrator_that_comes_just_before_the_first_goes_is_next():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        first, gone, second = (ZeromqConnection(port.address) for _ in range(3))
        assert_is_served(first, port, 1)
        gone.send(Message(Kind.READY, 2))
        time.sleep(0.1)
        gone.close()
        second.send(Message(Kind.READY, 3))
        time.sleep(0.1)
        first.close()
        with pytest.raises(ConnectionClosedError):
            port.receive(wait=True)
        assert port.receive(wait=True).message.job == 2
        port.send(Message(Kind.READY, 2))  # dropped: that one has gone, too
        with pytest.raises(ConnectionClosedError):
            port.receive(wait=True)
        assert port.receive(wait=True).message.job == 3
        second.close()


@pytest.mark.parametrize("frames", [[b"GET / HTTP/1.1"], [b"x" * HEADER.size, b"y"], [b"a", b"b", b"c"]])
def test_frames_that_are_not_a_message_are_refused_and_the_server_goes_on(frames):
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port, closing(sockets.unlimited(zmq.DEALER)) as stranger:
        stranger.connect(port.address)
        stranger.send_multipart(frames)
        assert stranger.poll(WAIT_S * 1e3)
        header, body = stranger.recv_multipart()
        assert unpack(header, bytearray(body)).refused
        with closing(ZeromqConnection(port.address)) as connection:
            assert_is_served(connection, port, 1)


def test_bytes_of_another_protocol_are_ignored():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        host, _, number = port.address.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(number))) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
            with closing(ZeromqConnection(port.address)) as connection:
                assert_is_served(connection, port, 1)


def greeting(kind):
    """Return the first bytes of a ZeroMQ peer (ZMTP 3.1, no security).

    A peer that sends only these never answers a heartbeat.
    """
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    return b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48) + bytes([4, len(ready)]) + ready


@pytest.fixture
def impatient(monkeypatch):
    """Let ZeroMQ send heartbeats more often and wait for less time."""
    monkeypatch.setattr(sockets, "HEARTBEAT_MS", 50)
    monkeypatch.setattr(sockets, "SILENCE_MS", 200)


@pytest.mark.usefixtures("impatient")
def test_a_silent_server_counts_as_gone():
    """Check a server that does not close its connection.

    A stopped process behaves like that, and so does one that the network has lost.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        connection = ZeromqConnection(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        peer.sendall(greeting(b"ROUTER"))
        with pytest.raises(ConnectionClosedError):
            answers(connection, 1)
        peer.close()
        connection.close()


@pytest.mark.usefixtures("impatient")
def test_a_silent_orchestrator_makes_room_for_the_next():
    header, _ = pack(Message(Kind.READY, 5))
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        host, _, number = port.address.removeprefix("tcp://").rpartition(":")
        with (
            socket.create_connection((host, int(number))) as silent,
            closing(ZeromqConnection(port.address)) as connection,
        ):
            silent.sendall(greeting(b"DEALER"))
            received = b""
            while b"ROUTER" not in received:  # the end of the port's greeting
                received += silent.recv(1000)
            silent.sendall(bytes([1, len(header)]) + header + bytes([0, 0]))
            assert port.receive(wait=True).message.job == 5
            connection.send(Message(Kind.READY, 6))
            with pytest.raises(ConnectionClosedError, match="the orchestrator has ended"):
                port.receive(wait=True)
            assert port.receive(wait=True).message.job == 6


def test_a_dead_server_is_noticed_in_receive_and_not_while_writing():
    ours, theirs = socket.socketpair()
    connection, errors = PipeConnection(ours), []
    connection.send(Message(Kind.STEP, hidden=torch.zeros(1, 1024, 4096)))
    assert connection.unsent
    theirs.close()

    def readable(_):
        with pytest.raises(ConnectionClosedError) as error:
            connection.receive()
        errors.append(error)

    Reactor({0: connection}, readable, lambda: None).run_until(lambda: bool(errors))
    connection.close()


def test_wrong_addresses_are_refused_in_one_sentence():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port:
        with pytest.raises(
            InputError, match=r"bind = tcp://.*: the port is in use; end the program that listens there"
        ):
            ZeromqPort(port.address)
        with pytest.raises(InputError, match=r"bind = tcp://no.where:1: give tcp://HOST:PORT of this machine"):
            ZeromqPort("tcp://no.where:1")
        with pytest.raises(InputError, match=r"addresses = 10\.0\.0\.1: give tcp://HOST:PORT"):
            ZeromqConnection("10.0.0.1")
