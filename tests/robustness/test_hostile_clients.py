"""Clients that mean harm: the server refuses them in bounded memory, and serves a good client right after."""

import os
import pickle
import socket as sockets
import time
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.project import NEEDS_RUNTIME

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
zmq = pytest.importorskip("zmq", reason=NEEDS_RUNTIME)

from serving.launch import fleet  # noqa: E402
from serving.server.server import serve  # noqa: E402
from serving.transport.messages import DTYPES, HEADER, MAGIC, Kind, Message, WireError, pack, unpack  # noqa: E402
from serving.transport.pipe import Incoming, PipePort  # noqa: E402
from serving.transport.secret import Secret, secret_of  # noqa: E402
from serving.transport.zeromq_connection import ZeromqConnection  # noqa: E402
from serving.transport.zeromq_port import ZeromqPort  # noqa: E402
from system import InputError  # noqa: E402
from system.limits import WAITING_REQUESTS  # noqa: E402
from tests.support import small_run  # noqa: E402
from tests.support.hostile import answers, listening, send, stranger  # noqa: E402

MEMORY_MB = 100.0  # more than a server may take for a hostile client, however long the flood
SERVED_S = 10.0
WIDTH = 72
STEP_OF_2_32_BLOCKS = Message(Kind.STEP, 1, 0, 2**32 - 1, hidden=torch.zeros(1, 1, WIDTH))
GREETING, STATS, OPEN = (Message(kind, 1, 0, 2) for kind in (Kind.READY, Kind.STATS, Kind.OPEN))


@pytest.fixture(scope="module")
def server():
    """Yield a paced server in a process of its own."""
    with listening(pace=small_run.pace(0.0, 0.0, 1e-5)) as running:
        yield running


def greet(socket):
    """Greet the server until it does not serve another client any more."""
    send(socket, GREETING)
    while answers(socket, 1)[0].refused:
        send(socket, GREETING)


def flood_of_frames(socket, count):
    for _ in range(count):
        socket.send(b"", zmq.SNDMORE)
    socket.send(b"")


def flood_of_requests(socket, count):
    greet(socket)
    flood_before_greeting(socket, count)


def flood_before_greeting(socket, count):
    frames = pack(STATS)
    for _ in range(count):
        socket.send_multipart(frames)


def flood_of_greetings(socket, count):
    frames = pack(GREETING)
    for _ in range(count):
        socket.send_multipart(frames)


def flood_of_jobs(socket, count):
    """Open jobs and send steps for all of them, without reading an answer."""
    greet(socket)
    for job in range(count // 2):
        send(socket, Message(Kind.OPEN, job, 0, 2))
        send(socket, Message(Kind.STEP, job, 0, 2, hidden=torch.zeros(1, 1, WIDTH)))


def flood_of_nonsense(socket, count):
    for _ in range(count):
        socket.send_multipart([b"GET / HTTP/1.1", b""])


def flood_of_bodies(socket, count):
    """Send prompts that wait, 400 times as many bytes as others send messages."""
    greet(socket)
    frames = pack(Message(Kind.STEP, 1, 0, 2, prompt=True, hidden=torch.zeros(1, 500, WIDTH)))
    for _ in range(count // 50):
        socket.send_multipart(frames)


FLOODS = (
    flood_of_frames,
    flood_of_requests,
    flood_before_greeting,
    flood_of_greetings,
    flood_of_jobs,
    flood_of_nonsense,
    flood_of_bodies,
)


def memory_under(server, flood, count):
    """Return the most memory that a server takes while a client floods it."""
    before_mb = server.resident_mb
    with stranger(server) as socket:
        flood(socket, count)
        peak_mb, end_s = server.resident_mb, time.monotonic() + 0.2
        while time.monotonic() < end_s:
            peak_mb = max(peak_mb, server.resident_mb)
            time.sleep(0.005)
    return peak_mb - before_mb


def assert_unharmed(server, flood, count):
    expected = server.serve_one_step()
    assert memory_under(server, flood, count) < MEMORY_MB
    begin_s = time.monotonic()
    assert torch.equal(server.serve_one_step(SERVED_S), expected)
    assert time.monotonic() - begin_s < SERVED_S
    assert server.process.poll() is None


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_flood_neither_fills_memory_nor_keeps_others_waiting(server, flood):
    assert_unharmed(server, flood, 12_000 if flood is not flood_of_frames else 2_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_long_flood_neither_fills_memory_nor_keeps_others_waiting(server, flood):
    assert_unharmed(server, flood, 100_000 if flood is not flood_of_frames else 20_000_000)


def test_a_client_of_an_old_protocol_does_not_stop_the_port(server):
    """Check ZeroMQ's first protocol, whose messages name no connection."""
    host, port = server.address.removeprefix("tcp://").split(":")
    empty_name, two_frames = bytes([1, 0]), bytes([3, 1, 65, 66, 1, 0])
    with sockets.create_connection((host, int(port))) as connection:
        connection.sendall(empty_name + two_frames * 1000)
        server.serve_one_step(SERVED_S)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012
            for _ in range(1000):
                connection.sendall(two_frames * 1000)
                time.sleep(0.01)
    server.serve_one_step(SERVED_S)


def test_a_step_of_2_to_the_32_blocks_is_refused_at_once_and_harms_nobody(server):
    """Check a paced server, which would sleep for as long as the blocks take."""
    with stranger(server) as socket:
        greet(socket)
        send(socket, OPEN, STEP_OF_2_32_BLOCKS, STATS)
        _, refusal, stats = answers(socket, 3)
    assert refusal.refused
    assert "it opened 2 from 0" in refusal.text
    assert not stats.refused
    server.serve_one_step(SERVED_S)


def test_steps_wait_once_for_each_open_job(server):
    """Check that second steps and steps of unopened jobs do not wait."""
    with stranger(server) as socket:
        token = torch.zeros(1, 400, WIDTH)
        steps = [Message(Kind.STEP, job, 0, 2, prompt=True, hidden=token) for job in (1, 1, 1, 9)]
        greet(socket)
        send(socket, OPEN, *steps, STATS)
        received = answers(socket, 6)
    refused = [answer.text for answer in received if answer.refused]
    assert any("job = 9: is not open" in text for text in refused)
    assert len(refused) >= 2  # the third step of job 1 is too long even if it comes after the answers to the others


def test_a_client_that_sends_too_many_requests_gets_the_reason():
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port, closing(ZeromqConnection(port.address)) as connection:
        port.allow(1000, 1)
        connection.send(GREETING)
        port.receive(wait=True)
        connection.send(*[STATS] * (WAITING_REQUESTS + 100))
        received = []
        while not received:
            received = connection.receive()
    assert received[0].refused
    assert "too many wait at this server; await its answers" in received[0].text


def test_a_port_that_other_machines_reach_needs_the_secret(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_text("correct horse battery staple\n")
    secret = secret_of(str(path))
    assert "horse" not in repr(secret) + str(vars(secret))
    monkeypatch.setenv("CHAIN_SECRET", "correct horse battery staple")
    with closing(ZeromqPort("tcp://0.0.0.0:*", secret)) as port:
        address = port.address.replace("0.0.0.0", "127.0.0.1")
        for wrong in (None, Secret("correct horse battery stable")):
            with closing(ZeromqConnection(address, wrong)) as connection:
                reason = until_closed(connection)
            assert "the greeting failed; give both ends the same secret" in reason
        with closing(ZeromqConnection(address, secret_of(None))) as connection:
            connection.send(GREETING)
            assert port.receive(wait=True).message.job == 1
        assert port.receive(wait=False) is None
    ZeromqPort("tcp://0.0.0.0:*", is_open=True).close()


def until_closed(connection):
    """Send a greeting and return why the connection was closed."""
    connection.send(GREETING)
    while True:
        try:
            assert connection.receive() == []
        except InputError as error:
            return str(error)
        time.sleep(0.01)


def test_a_secret_of_servers_without_one_is_named():
    spec = small_run.specs()[0]
    with closing(ZeromqPort("tcp://127.0.0.1:*")) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAIN_SECRET", "a secret that the server lacks")
        with (
            fleet.zeromq([spec], [port.address]) as servers,
            pytest.raises(InputError, match="the same secret, or none"),
        ):
            servers.wait_until_ready([spec], SERVED_S)


def test_a_secret_of_other_bytes_than_text_is_a_secret(monkeypatch):
    """Check bytes that are not UTF-8, which an error about them would show."""
    monkeypatch.setitem(os.environb, b"CHAIN_SECRET", b"\xff\xfe" * 10)
    port = ZeromqPort("tcp://127.0.0.1:*", secret_of(None))
    with closing(port), closing(ZeromqConnection(port.address, secret_of(None))) as connection:
        connection.send(GREETING)
        assert port.receive(wait=True).message.kind == Kind.READY


def test_the_commands_of_a_run_share_a_new_secret_that_only_the_user_reads(tmp_path):
    message = fleet.write_commands(small_run.specs(), tmp_path)
    path = tmp_path / "secret"
    assert f"evaluator.secret={path}" in message
    assert path.stat().st_mode & 0o777 == 0o600
    secret = path.read_text()
    assert secret.strip() not in message + (tmp_path / "commands.txt").read_text()
    assert (tmp_path / "commands.txt").read_text().count(f"--secret {path}") == 3
    fleet.write_commands(small_run.specs(), tmp_path)
    assert path.read_text() == secret  # servers that run already have it


# Messages that look valid in part: each field is right or random.
NUMBERS = st.one_of(st.integers(0, 8), st.integers(0, 2**32 - 1))


@st.composite
def headers(draw):
    """Draw random bytes, or a header of random fields with a random body."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=2 * HEADER.size))
    body = draw(st.one_of(st.binary(max_size=64), st.just(bytes(4 * WIDTH))))
    size = draw(st.one_of(st.just(len(body)), st.integers(0, 2**64 - 1)))
    return (
        HEADER.pack(
            draw(st.sampled_from([MAGIC, b"SC00"])),
            *(draw(st.integers(0, 7)), draw(st.integers(0, 5)), *(draw(st.booleans()) for _ in range(3))),
            draw(st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))),
            *(draw(NUMBERS) for _ in range(3)),
            *draw(st.one_of(st.just((1, WIDTH)), st.tuples(NUMBERS, NUMBERS))),
            *(draw(st.floats()) for _ in range(4)),
            size,
        )
        + body
    )


def decode(content):
    """Return the messages in a stream of bytes; None for other bytes."""
    incoming, messages = Incoming(2**20), []
    while content:
        room = incoming.room()
        count = min(len(room), len(content))
        room[:count] = content[:count]
        content = content[count:]
        try:
            messages += incoming.advance(count)
        except WireError:
            return None
    return messages


def assert_decodes_or_refuses(content):
    messages = decode(content)
    if messages:  # what is decoded is the same when it is packed again
        header, body = pack(messages[0])
        assert unpack(header, bytearray(body)).kind == messages[0].kind
        assert messages[0].hidden is None or messages[0].hidden.dtype in DTYPES


@settings(max_examples=300, deadline=None)
@given(headers())
def test_random_bytes_are_messages_or_refused(content):
    assert_decodes_or_refuses(content)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(headers())
def test_many_random_bytes_are_messages_or_refused(content):
    assert_decodes_or_refuses(content)


def assert_survives(server, contents):
    with stranger(server) as socket:
        greet(socket)
        for content in contents:
            socket.send_multipart([content[: HEADER.size], content[HEADER.size :]])
        send(socket, GREETING)
        answers(socket, 1)
    server.serve_one_step(SERVED_S)


SHORT = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@SHORT
@given(st.lists(headers(), min_size=1, max_size=20))
def test_a_server_survives_random_messages(server, contents):
    assert_survives(server, contents)


@pytest.mark.slow
@settings(SHORT, max_examples=100)
@given(st.lists(headers(), min_size=1, max_size=50))
def test_a_server_survives_many_random_messages(server, contents):
    assert_survives(server, contents)
    assert server.process.poll() is None


def test_a_server_of_a_pipe_ends_with_one_sentence_at_random_bytes():
    ours, theirs = sockets.socketpair()
    ours.sendall(pack(GREETING)[0] + b"x" * HEADER.size)
    with closing(ours), closing(theirs), pytest.raises(WireError, match="not of this program's format"):
        serve(small_run.specs()[0], PipePort(theirs))


class Trap:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return exec, ("import os; os.abort()",)


def test_nothing_is_unpickled(server):
    content = pickle.dumps(Trap())
    hidden = torch.frombuffer(bytearray(content.ljust(4 * WIDTH, b"\0")), dtype=torch.float32).reshape(1, 1, WIDTH)
    with stranger(server) as socket:
        greet(socket)
        socket.send_multipart([content, content])
        send(socket, OPEN, Message(Kind.STEP, 1, 0, 2, hidden=hidden), Message(Kind.STATS, text=repr(content)))
        assert sorted(answer.refused for answer in answers(socket, 4)) == [False, False, False, True]
    server.serve_one_step(SERVED_S)
