"""Starts the processes of all chains: RPC servers, the relay before them, rehearsals, and the llama-servers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exports.llamacpp import cpu_threads, host_command, rpc_server_command
from serving.engines.llamacpp import placement, relay
from serving.engines.llamacpp.binaries import PROTOCOL, Binaries, require_protocol
from serving.engines.llamacpp.plans import ChainPlan
from serving.engines.llamacpp.processes import HERE, Child, Children, accepts, free_port, is_healthy, listening_socket
from serving.engines.llamacpp.settings import LlamaCpp

GREETING_S = 1.0  # an RPC server that accepts connections has logged its protocol by then


class Listener(NamedTuple):
    """A process and the port at which it listens."""

    child: Child
    port: int


class Line(NamedTuple):
    """A chain: its plan, its RPC servers, and the addresses at which its llama-server reaches them."""

    plan: ChainPlan
    servers: tuple[Listener, ...]
    addresses: tuple[str, ...]  # of the RPC servers, or of the relay before them

    @property
    def names(self) -> dict[str, str]:
        """Return the server at each address."""
        return {address: hop.name for address, hop in zip(self.addresses, self.plan.hops, strict=True)}

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """Return the planned blocks at each address."""
        return {address: hop.blocks for address, hop in zip(self.addresses, self.plan.hops, strict=True)}


@dataclass(frozen=True)
class Starter:
    """Starts one kind of process for all chains before the next kind."""

    binaries: Binaries
    settings: LlamaCpp
    model_file: str
    slot_tokens: int
    children: Children

    def rpc_servers(self, plans: Sequence[ChainPlan]) -> list[tuple[Listener, ...]]:
        """Start an RPC server for each hop, and wait until they accept connections."""
        started = [tuple(self._rpc_server(k, i, plan) for i in range(len(plan.hops))) for k, plan in enumerate(plans)]
        for servers in started:
            for server in servers:
                self._await_rpc_server(server)
        return started

    def lines(self, plans: Sequence[ChainPlan], started: Sequence[tuple[Listener, ...]]) -> list[Line]:
        """Return the chains, with the addresses of their RPC servers."""
        lines = zip(plans, started, strict=True)
        return [Line(plan, servers, tuple(f"{HERE}:{server.port}" for server in servers)) for plan, servers in lines]

    def behind_relay(self, lines: Sequence[Line]) -> tuple[list[Line], Child]:
        """Start a relay that adds the round trips.

        Returns the chains with its addresses, and the relay.
        """
        sockets = [[listening_socket() for _ in line.servers] for line in lines]
        routes = [
            relay.Route(ours.fileno(), HERE, server.port, hop.rtt_s)
            for line, row in zip(lines, sockets, strict=True)
            for hop, server, ours in zip(line.plan.hops, line.servers, row, strict=True)
        ]
        inherited = [route.descriptor for route in routes]
        child = self.children.start("relay of round trips", "relay", relay.command(routes), inherited)
        addresses = [tuple(f"{HERE}:{ours.getsockname()[1]}" for ours in row) for row in sockets]
        for ours in (ours for row in sockets for ours in row):
            ours.close()  # the relay has its own
        return [line._replace(addresses=row) for line, row in zip(lines, addresses, strict=True)], child

    def rehearse(self, lines: Sequence[Line]) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Return the layers by server of each chain.

        The processes end before they load a layer. Raises `InputError` unless all layers lie where they are planned.
        """
        hosts = [self._host(f"chain_{k}_placement", line, placement.LOG_LAYERS) for k, line in enumerate(lines)]
        return tuple(self._placement(line, host.child) for line, host in zip(lines, hosts, strict=True))

    def hosts(self, lines: Sequence[Line]) -> list[Listener]:
        """Start the llama-server of each chain, and wait until all are ready for requests."""
        hosts = [self._host(f"chain_{k}", line, placement.LOG_DEVICES) for k, line in enumerate(lines)]
        for line, host in zip(lines, hosts, strict=True):
            self._await_host(host)
            placement.require_devices(line.plan.name, host.child.text, line.addresses)
            host.child.mark_ready()
        return hosts

    def _rpc_server(self, k: int, i: int, plan: ChainPlan) -> Listener:
        port = free_port()
        command = rpc_server_command(self.binaries.rpc_server, HERE, port, self.settings.threads)
        child = self.children.start(f"RPC server of {plan.hops[i].name}", f"chain_{k}_server_{i}", command)
        return Listener(child, port)

    def _await_rpc_server(self, server: Listener) -> None:
        """Wait until a server accepts connections, and compare its protocol.

        Another process may listen at the port; ours has then ended before it could log its protocol.
        """
        child = server.child
        self.children.wait_until(lambda: accepts(server.port), child)
        latest_s = time.monotonic() + GREETING_S
        self.children.wait_until(lambda: bool(PROTOCOL.search(child.text)) or time.monotonic() > latest_s, child)
        require_protocol(child.name, child.text, self.binaries.build)

    def _host(self, file: str, line: Line, logging: Sequence[str]) -> Listener:
        """Start the llama-server of a chain."""
        settings, plan, port = self.settings, line.plan, free_port()
        command = host_command(
            self.binaries.llama_server,
            self.model_file,
            line.addresses,
            plan.block_counts,
            plan.slots,
            self.slot_tokens,
            HERE,
            port,
        )
        command += [*cpu_threads(settings.threads), *logging, *settings.options]
        return Listener(self.children.start(f"llama-server of {plan.name}", file, command), port)

    def _await_host(self, host: Listener) -> None:
        self.children.wait_until(lambda: is_healthy(host.port), host.child)

    def _placement(self, line: Line, child: Child) -> dict[str, tuple[int, ...]]:
        """Return the layers by server that a rehearsal logs, and end it."""
        last = sum(line.plan.block_counts)
        self.children.wait_until(lambda: placement.is_complete(child.text, last), child)
        log = child.text
        self.children.dismiss(child)
        actual = placement.layers_by_address(log, last)
        placement.require_devices(line.plan.name, log, line.addresses)
        placement.require_placement(line.plan.name, line.layers, actual, line.names)
        return {line.names[address]: layers for address, layers in actual.items()}
