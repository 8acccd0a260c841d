"""A relay of TCP connections that adds a round trip time: each direction is half of it late.

It runs as a process of its own, `python -m serving.engines.llamacpp.relay`, so that the load of an orchestrator does
not disturb its clock. It delays every byte by the same time and limits nothing else.
"""

import asyncio
import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

CHUNK_BYTES = 2**18
AHEAD_S = 100e-6  # that a process needs to wake up


class Route(NamedTuple):
    """A listening socket by its number, the address behind it, and the round trip to that."""

    descriptor: int
    host: str
    port: int
    rtt_s: float


def command(routes: Sequence[Route]) -> list[str]:
    """Return the command of a relay that inherits the listening sockets of its routes."""
    return [sys.executable, "-m", __name__, json.dumps(routes)]


async def relay(routes: Sequence[Route]) -> None:
    """Pass on the connections to all routes, until the process ends."""
    servers = [await _listen(route) for route in routes]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _listen(route: Route) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(route.host, route.port)
        except OSError:
            writer.close()  # as if the server had refused
            return
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = ((reader, far_writer), (far_reader, writer))
        await asyncio.gather(*(_Way(*way, route.rtt_s / 2).carry() for way in ways))

    return await asyncio.start_server(accept, sock=socket.socket(fileno=route.descriptor))


class _Way:
    """One direction of a connection: what came, and when each part of it is due."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        self.reader, self.writer, self.delay_s = reader, writer, delay_s
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.arrived = asyncio.Event()

    async def carry(self) -> None:
        """Pass on bytes until one end closes, and close the other end as late."""
        await asyncio.gather(self._receive(), self._send())

    async def _receive(self) -> None:
        chunk = b"open"
        while chunk:
            try:
                chunk = await self.reader.read(CHUNK_BYTES)
            except OSError:
                chunk = b""
            self.waiting.append((time.monotonic() + self.delay_s, chunk))
            self.arrived.set()

    async def _send(self) -> None:
        chunk = b"open"
        with suppress(OSError):
            while chunk:
                await self.arrived.wait()
                due_s, chunk = self.waiting.popleft()
                if not self.waiting:
                    self.arrived.clear()
                await asyncio.sleep(max(due_s - time.monotonic() - AHEAD_S, 0))
                self.writer.write(chunk)
                await self.writer.drain()
        self.writer.close()


def main(argument: str) -> None:
    """Run a relay for the routes of a JSON text.

    The loop waits with `select`, which counts microseconds; `epoll` rounds up to milliseconds.
    """
    routes = [Route(*fields) for fields in json.loads(argument)]

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(relay(routes))


if __name__ == "__main__":
    main(sys.argv[1])
