"""Kinds of links by the names that people use, such as `1gbe`, with a bandwidth and a typical round trip."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hardware_profiles.quantities import plausible, s_per_byte_of
from system.checks import require, require_known
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml
from system.words import shortened

FILE = Path(__file__).with_suffix(".yaml")
KIND, MBPS, MBYTES = "link", "bandwidth_mbps", "link_mbytes_per_s"
NAMED_KEYS = (KIND, MBPS)  # of a server, and of the list for all servers
MBITS_PER_MBYTE = 8
UNIT = "10^6 bits per second"
EXAMPLE = "the kind of its link, such as 1gbe"


class LinkKind(NamedTuple):
    """A kind of link: its bandwidth, its round trip over one switch, and where they come from."""

    name: str
    mbps: float
    rtt_ms: float
    source: str


class Link(NamedTuple):
    """The kind of a server's link, if it has a name, and the seconds per byte."""

    kind: LinkKind | None
    s_per_byte: float


@cache
def kinds() -> dict[str, LinkKind]:
    """Return all kinds of links by name."""
    return {name: LinkKind(name, **fields) for name, fields in read_yaml(FILE).items()}


def kind_of(entry: Entry) -> LinkKind | None:
    """Return the kind of link that an entry names, or None.

    Case, dashes and blanks do not matter, as in "Wi-Fi" and "10 GbE".
    """
    if KIND not in entry:
        return None
    written = entry.text(KIND, EXAMPLE)
    name = re.sub(r"[\s_-]+", "", written.lower())
    far = "says nothing about the distance; give a region or rtt_ms instead, and bandwidth_mbps"
    require(name != "internet", entry.where(KIND), name, far)
    require_known(entry.where(KIND), name if name in kinds() else written, kinds())
    return kinds()[name]


def link_of(entry: Entry, top: Entry) -> Link:
    """Return a server's link: its own, or that of all servers.

    A server with `rtt_ms: 0` is in the orchestrator's own machine, so the links of all servers do not concern it.
    """
    kind, byte_s = kind_of(entry), _bandwidth(entry)
    if kind is None and not is_in_machine(entry):
        kind = kind_of(top)
        byte_s = _bandwidth(top) if byte_s is None else byte_s
    if byte_s is None:
        byte_s = 0.0 if kind is None else s_per_byte_of(kind.mbps / MBITS_PER_MBYTE, KIND)
    return Link(kind, byte_s)


def is_in_machine(entry: Entry) -> bool:
    """Return whether a server is in the orchestrator's own machine."""
    return entry.content.get("rtt_ms") == 0


def _bandwidth(entry: Entry) -> float | None:
    """Return an entry's own seconds per byte; None without a bandwidth."""
    remedy = f"{MBYTES} sets it already; give one of the two"
    require(MBPS not in entry or MBYTES not in entry, entry.where(MBPS), entry.content.get(MBPS), remedy)
    if MBPS in entry:
        entry.positive(MBPS, UNIT)
        return s_per_byte_of(plausible(entry, MBPS, UNIT) / MBITS_PER_MBYTE, entry.where(MBPS))
    value = entry.content.get(MBYTES)
    return None if value is None else s_per_byte_of(value, entry.where(MBYTES))


def link_lines(top: Entry, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what is taken of links, lines for people."""
    servers: dict[LinkKind, list[str]] = {}
    for entry in entries:
        kind = link_of(entry, top).kind
        if kind is not None:
            servers.setdefault(kind, []).append(str(entry.content.get("name", entry.label)))
        if MBPS in entry:
            yield f"bandwidth of {entry.label}: {_in_bytes(entry.content[MBPS])}, as given"
    if MBPS in top:
        yield f"bandwidth of all other servers: {_in_bytes(top.content[MBPS])}, as given"
    for kind, names in servers.items():
        yield (
            f"link {kind.name} of {shortened(names, 3)}: {_in_bytes(kind.mbps)} and a round trip of {kind.rtt_ms:g} "
            f"ms, unless they are given ({kind.source})"
        )
    if any(key in entry for entry in (top, *entries) for key in NAMED_KEYS):
        yield "between two servers: the longer round trip and the smaller bandwidth of their links, unless given"


def _in_bytes(mbps: float) -> str:
    return f"{mbps:,g} x 10^6 bits/s = {mbps / MBITS_PER_MBYTE:,.4g} MB/s"
