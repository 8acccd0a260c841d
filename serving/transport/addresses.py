"""Addresses at which servers listen and are reached: `tcp://HOST:PORT`."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from system import InputError
from system.checks import echo, require

ADDRESS = re.compile(r"tcp://([\w.*-]+|\[[\w:.%]+\]):(\d{1,5}|\*)", re.ASCII)
LARGEST_PORT = 65_535


def host_of(field: str, address: str, *, listens: bool) -> str:
    """Return the host of an address.

    A server that `listens` may leave host and port open by `*`. Raises `InputError` for other texts.
    """
    match = ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is None or (not listens and "*" in address):
        raise InputError(
            f"{field} = {' '.join(echo(address).split())}: give tcp://HOST:PORT{' of this machine' if listens else ''}"
        )
    host, port = match.groups()
    ports = f"its port must lie between 1 and {LARGEST_PORT}{', or be * for any that is free' if listens else ''}"
    require(port == "*" or 1 <= int(port) <= LARGEST_PORT, field, address, ports)
    return host.strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach a host.

    Names are not looked up: all but `localhost` count as reachable from elsewhere.
    """
    number = _number_of(host)
    return host == "localhost" or (number is not None and number.is_loopback)


def is_of_this_machine(host: str) -> bool:
    """Return whether this is a number, `*`, `localhost` or a network interface."""
    interfaces = [name for _, name in socket.if_nameindex()]
    return _number_of(host) is not None or host in ("*", "localhost", *interfaces)


def _number_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
