"""A server on a port in a process of its own, and clients that mean it harm."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import torch
import zmq

from serving.launch import fleet
from serving.transport.messages import Kind, Message, pack, unpack
from tests.support import small_run
from tests.support.project import ROOT

WAIT_S = 30.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Server:
    """A server process that listens on a port of this machine."""

    def __init__(self, spec, process, address):
        self.spec, self.process, self.address = spec, process, address

    @property
    def resident_mb(self):
        """Return the memory that the process has."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6

    def serve_one_step(self, limit_s=10.0):
        """Serve a good client and return its answer."""
        with fleet.zeromq([self.spec], [self.address]) as servers:
            deadline_s = time.monotonic() + limit_s
            servers.wait_until_ready([self.spec], limit_s)
            (connection,) = servers.connections
            hidden = torch.ones(1, 3, self.spec.decoder.hidden_size)
            step = Message(Kind.STEP, 1, 0, 2, prompt=True, hidden=hidden)
            connection.send(Message(Kind.OPEN, 1, 0, 2), step)
            answers = []
            while len(answers) < 2:
                assert time.monotonic() < deadline_s, "the server does not serve a good client"
                answers += connection.receive()
        assert not any(answer.refused for answer in answers)
        return answers[-1].hidden


def address_of(process):
    """Return the address at which a server says that it listens."""
    match = re.search(r" listens at (tcp://\S+) until Ctrl-C", process.stdout.readline())
    assert match, "the server ended before it listened"
    return match[1]


@contextmanager
def listening(**settings):
    """Yield a server that is ready."""
    spec = small_run.specs(**settings)[0]
    words = [sys.executable, "-m", "serving", "--bind", "tcp://127.0.0.1:*", "--spec", spec.to_json()]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            server = Server(spec, process, address_of(process))
            server.serve_one_step(60.0)
            yield server
        finally:
            process.kill()


@contextmanager
def stranger(server):
    """Yield a raw socket that is connected to a server."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(server.address)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


def send(socket, *messages):
    for message in messages:
        socket.send_multipart(pack(message))


def answers(socket, count):
    """Return the next answers, which must come in time."""
    received = []
    while len(received) < count:
        assert socket.poll(1000 * WAIT_S), f"{len(received)} of {count} answers came"
        header, body = socket.recv_multipart()
        received.append(unpack(header, bytearray(body)))
    return received
