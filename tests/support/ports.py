"""Ports of this machine for servers that tests start."""

import random
import socket
from contextlib import ExitStack

RANGE = range(20_000, 32_000)  # below those that the system itself gives to connections and to servers on any port


def free_ports(count):
    """Return the numbers of so many ports in a row that are free now."""
    while True:
        first = random.choice(RANGE)
        ports = range(first, first + count)
        with ExitStack() as opened:
            try:
                for port in ports:
                    opened.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        return ports
