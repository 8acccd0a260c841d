"""The relay delays each direction by half of the round trip, and limits nothing else."""

import socket
import subprocess
import threading
import time

import numpy as np
import pytest

from serving.engines.llamacpp import relay
from serving.engines.processes import Children, listening_socket


@pytest.fixture
def echo():
    """Yield the port of a server that sends back what it gets, at once."""
    with listening_socket() as listener:

        def serve(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(2**18):
                connection.sendall(data)
            connection.close()

        def accept():
            while True:
                try:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
                except OSError:  # the listener is closed
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
def relayed(tmp_path):
    """Yield a function that connects over a relay with a round trip."""
    with Children(tmp_path, 10.0) as children:

        def connection(port, rtt_s, begins=True):
            ours = listening_socket()
            route = relay.Route(ours.fileno(), "127.0.0.1", port, rtt_s)
            child = children.start("relay", "relay", relay.command([route]), [ours.fileno()])
            children.wait_until(lambda: relay.READY in child.text, child)
            if begins:
                child.process.send_signal(relay.BEGIN)
                children.wait_until(lambda: relay.DELAYING in child.text, child)
            address = ours.getsockname()
            ours.close()
            client = socket.create_connection(address, timeout=20)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client

        yield connection


def round_trip_s(client, payload=b"x"):
    """Return how long a payload takes there and back."""
    start_s = time.monotonic()
    client.sendall(payload)
    left = len(payload)
    while left:
        left -= len(client.recv(2**18))
    return time.monotonic() - start_s


@pytest.mark.parametrize("rtt_s", [0.01, 0.05])
def test_no_round_trip_is_shorter_than_the_emulated_one(echo, relayed, rtt_s):
    with relayed(echo, rtt_s) as client:
        times_s = [round_trip_s(client) for _ in range(21)][1:]
    assert min(times_s) >= rtt_s - 2 * relay.AHEAD_S
    assert np.median(times_s) < rtt_s + 0.05  # a loaded machine is late, never by a second delay


def test_nothing_is_delayed_before_the_signal(echo, relayed):
    with relayed(echo, 5.0, begins=False) as client:
        assert round_trip_s(client) < 2.5


def test_messages_behind_each_other_are_delayed_once(echo, relayed):
    rtt_s, count = 0.2, 50
    with relayed(echo, rtt_s) as client:
        round_trip_s(client)
        start_s = time.monotonic()
        sender = threading.Thread(target=lambda: [(client.sendall(b"x"), time.sleep(0.002)) for _ in range(count)])
        sender.start()
        left = count
        while left:
            left -= len(client.recv(count))
        sender.join()
    assert rtt_s < time.monotonic() - start_s < count * rtt_s / 4


def test_large_payloads_arrive_whole_and_close_ends_both_sides(echo, relayed):
    payload = np.random.default_rng(0).bytes(3_000_000)
    with relayed(echo, 0.02) as client:
        threading.Thread(target=client.sendall, args=(payload,)).start()
        got = b""
        while len(got) < len(payload):
            got += client.recv(2**18)
        assert got == payload
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_a_server_that_refuses_ends_the_connection(relayed):
    with listening_socket() as ours:
        port = ours.getsockname()[1]
    with relayed(port, 0.0) as client:
        assert client.recv(1) == b""


def test_the_relay_starts_without_the_packages_of_the_project():
    code = "import sys, serving.engines.llamacpp.relay; print('numpy' in sys.modules)"
    command = [*relay.command([])[:1], "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"
