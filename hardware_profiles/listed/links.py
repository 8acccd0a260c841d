"""Links of listed servers: given, from the distances of their regions, from tables of regions, or row by row."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.listed.link_rows import network_of
from hardware_profiles.listed.named_links import MBYTES, NAMED_KEYS, is_in_machine, link_of
from hardware_profiles.networks.cities import CITIES
from hardware_profiles.networks.draw import NetworkDraw
from hardware_profiles.networks.european import LARGEST_MATRIX, European
from hardware_profiles.networks.great_circle import great_circle_km
from hardware_profiles.quantities import BYTES_PER_MBYTE, plausible, require_plausible, s_per_byte_of
from system import InputError
from system.checks import is_finite_number, require, require_known, require_not_negative, require_positive
from system.documents.entries import Entry

BETWEEN_SERVERS, BETWEEN_REGIONS = "rtt_between_servers_ms", "rtt_between_regions_ms"
SERVER_BANDWIDTH, REGION_BANDWIDTH = "bandwidth_between_servers_mbytes_per_s", "bandwidth_between_regions_mbytes_per_s"
LINKS, OWN_BANDWIDTH = "links", MBYTES
LINK_KEYS = ("orchestrator", BETWEEN_SERVERS, BETWEEN_REGIONS, SERVER_BANDWIDTH, REGION_BANDWIDTH, *NAMED_KEYS, LINKS)
OWN_KEYS = ("rtt_ms", "region", OWN_BANDWIDTH, *NAMED_KEYS)  # of an entry
POSITIONS = {city: (latitude_deg, longitude_deg) for city, latitude_deg, longitude_deg in CITIES}
WAYS_TO_SAY = (
    "the round-trip time to the orchestrator in ms, the kind of its link, such as link: 1gbe, or a region (and the "
    "orchestrator's region as orchestrator)"
)
NETWORK = European()  # gives the mean access latency and the time per km

Floats = NDArray[np.float64]


class Distances:
    """Regions as positions on the Earth, a city or [latitude, longitude] each.

    The round trip is the access latency at both ends and a time per km of great circle, as in
    `hardware_profiles.networks.european`.
    """

    def region(self, entry: Entry, key: str) -> tuple[float, float]:
        """Return the position that an entry gives."""
        value = entry.value(key, "a city, such as Paris, or [latitude, longitude]")
        if isinstance(value, list):
            degrees = (
                len(value) == 2 and all(map(is_finite_number, value)) and abs(value[0]) <= 90 and abs(value[1]) <= 180
            )
            require(degrees, entry.where(key), value, "must be [latitude, longitude] in degrees")
            return float(value[0]), float(value[1])
        require_known(entry.where(key), str(value), POSITIONS)
        return POSITIONS[str(value)]

    def rtt_s(self, regions: Sequence[Any], others: Sequence[Any]) -> Floats:
        """Return (n, m) the round trips between positions."""
        a, b = np.array(regions)[:, None], np.array(others)
        km = great_circle_km(a[..., 0], a[..., 1], b[..., 0], b[..., 1])
        return (NETWORK.access_min_ms + NETWORK.access_max_ms + NETWORK.path_ms_per_km * km) / 1e3

    def s_per_byte(self, regions: Sequence[Any], others: Sequence[Any]) -> None:
        """Return None: distances say nothing about bandwidths."""


class Quantity(NamedTuple):
    """A number for any two regions and within each, and its words in messages."""

    key: str
    noun: str
    unit: str
    name: str  # that `require_plausible` knows
    check: Callable[..., None]
    advice: str


ROUND_TRIP = Quantity(BETWEEN_REGIONS, "round trip", "ms", "rtt_ms", require_not_negative, "a round trip has one time")
BANDWIDTH = Quantity(
    REGION_BANDWIDTH, "bandwidth", "MB/s", "mbytes_per_s", require_positive, "use links where directions differ"
)


class PairTable:
    """One number for any two named regions and for each of them."""

    def __init__(self, top: Entry, quantity: Quantity) -> None:
        """Read a table; raise `InputError` for missing or contradictory pairs."""
        self._quantity = quantity
        self._values: dict[frozenset[str], float] = {}
        key, unit = quantity.key, quantity.unit
        rows = top.value(key, f"a mapping of regions to mappings of regions to {unit}")
        is_table = isinstance(rows, dict) and rows != {}
        require(is_table, key, rows, "must be a mapping of regions to mappings")
        for region, row in rows.items():
            require(isinstance(row, dict), f"{key}.{region}", row, f"must be a mapping of regions to {unit}")
            for other, value in row.items():
                self._add(str(region), str(other), value)
        self.names = list(dict.fromkeys(name for pair in self._values for name in sorted(pair)))
        self.require_pairs(self.names)

    def require_pairs(self, names: Sequence[str]) -> None:
        """Raise `InputError` unless any two regions have a number."""
        for number, region in enumerate(names):
            for other in names[number:]:
                lacking = frozenset((region, other)) not in self._values
                between = f"between {region} and {other}" if region != other else f"within {region}"
                remedy = f"give one in {self._quantity.unit}"
                require(not lacking, self._quantity.key, f"no {self._quantity.noun} {between}", remedy)

    def _add(self, region: str, other: str, value: Any) -> None:
        _, _, _, name, check, advice = self._quantity
        key, pair = f"{self._quantity.key}.{region}.{other}", frozenset((region, other))
        check(**{key: value})
        require_plausible(name, value, key)
        known = self._values.setdefault(pair, float(value))
        require(known == value, key, value, f"must be {known:g} as in the other direction; {advice}")

    def between(self, regions: Sequence[Any], others: Sequence[Any]) -> Floats:
        """Return (n, m) the numbers between named regions."""
        return np.array([[self._values[frozenset((a, b))] for b in others] for a in regions])


class RegionTable:
    """Named regions, with a round trip and perhaps a bandwidth between any two and within each of them."""

    def __init__(self, top: Entry) -> None:
        """Read the tables; raise `InputError` for missing or contradictory pairs."""
        self._rtt_ms = PairTable(top, ROUND_TRIP)
        self._mbytes_per_s = PairTable(top, BANDWIDTH) if REGION_BANDWIDTH in top else None
        if self._mbytes_per_s is not None:
            for name in self._mbytes_per_s.names:
                require_known(REGION_BANDWIDTH, name, self._rtt_ms.names)
            self._mbytes_per_s.require_pairs(self._rtt_ms.names)

    def region(self, entry: Entry, key: str) -> str:
        """Return the region that an entry names."""
        name = entry.text(key, f"a region of {BETWEEN_REGIONS}")
        require_known(entry.where(key), name, self._rtt_ms.names)
        return name

    def rtt_s(self, regions: Sequence[Any], others: Sequence[Any]) -> Floats:
        """Return (n, m) the round trips between named regions."""
        return self._rtt_ms.between(regions, others) / 1e3

    def s_per_byte(self, regions: Sequence[Any], others: Sequence[Any]) -> Floats | None:
        """Return (n, m) the seconds per byte between named regions; None without bandwidths."""
        if self._mbytes_per_s is None:
            return None
        return 1 / (self._mbytes_per_s.between(regions, others) * BYTES_PER_MBYTE)


Regions = Distances | RegionTable


def links_of(top: Entry, entries: Sequence[Entry], names: Sequence[Sequence[str]]) -> NetworkDraw:
    """Return the links of listed servers; `names` are those of each entry's servers."""
    flat = tuple(name for group in names for name in group)
    if LINKS in top:
        _require_no_others(top, entries)
        return network_of(top.content[LINKS], flat)
    regions, counts = _regions_of(top), [len(group) for group in names]
    ends = [_to_orchestrator(entry, top, regions) for entry in entries]
    own_s = np.repeat([end.s_per_byte for end in ends], counts)
    return NetworkDraw(
        np.repeat([end.rtt_s for end in ends], counts),
        flat,
        _between_servers_s(top, regions, ends, counts),
        own_s if own_s.any() else None,
        _s_per_byte_between(top, regions, ends, counts),
    )


def _require_no_others(top: Entry, entries: Sequence[Entry]) -> None:
    """Raise `InputError` if a list says twice what its links say."""
    for entry, keys in ((top, LINK_KEYS[:-1]), *((entry, OWN_KEYS) for entry in entries)):
        for key in keys:
            remedy = "links set it already; remove it"
            require(key not in entry, entry.where(key), entry.content.get(key), remedy)


def _regions_of(top: Entry) -> Regions:
    """Return a file's regions, named or positions on Earth."""
    if REGION_BANDWIDTH in top:
        require(BETWEEN_REGIONS in top, REGION_BANDWIDTH, "given", f"needs the regions of {BETWEEN_REGIONS}; add it")
    return RegionTable(top) if BETWEEN_REGIONS in top else Distances()


class _End(NamedTuple):
    """The link of a server to the orchestrator, its region or None, and what its link is known by."""

    rtt_s: float
    s_per_byte: float
    region: Any
    on_switch: bool  # whether its kind has a name, or it is in the orchestrator's machine
    spans: bool  # whether its bandwidth holds towards other servers, too


def _to_orchestrator(entry: Entry, top: Entry, regions: Regions) -> _End:
    """Return the link to the orchestrator.

    The round trip is given, or it follows from the regions or from the kind of link.
    """
    twice = "rtt_ms" in entry and "region" in entry
    remedy = "region sets it already; give one of the two"
    require(not twice, entry.where("rtt_ms"), entry.content.get("rtt_ms"), remedy)
    kind, own_s = link_of(entry, top)
    spans = any(key in owner for owner in (entry, top) for key in NAMED_KEYS)
    if "region" not in entry:
        if kind is not None and "rtt_ms" not in entry:
            return _End(kind.rtt_ms / 1e3, own_s, None, True, spans)
        rtt_ms = plausible(entry, "rtt_ms", WAYS_TO_SAY)
        return _End(rtt_ms / 1e3, own_s, None, kind is not None or is_in_machine(entry), spans)
    region = regions.region(entry, "region")
    pair = [region], [regions.region(top, "orchestrator")]
    of_regions = regions.s_per_byte(*pair)
    if of_regions is not None:
        _require_no_bandwidth(entry, top)
        own_s = float(of_regions[0, 0])
    return _End(float(regions.rtt_s(*pair)[0, 0]), own_s, region, False, spans)


def _require_no_bandwidth(entry: Entry, top: Entry) -> None:
    """Raise `InputError` if a bandwidth is given beside those of regions."""
    for owner in (entry, top):
        for key in (OWN_BANDWIDTH, *NAMED_KEYS):
            remedy = f"{REGION_BANDWIDTH} sets the bandwidth already; remove it"
            require(key not in owner, owner.where(key), owner.content.get(key), remedy)


def _between_servers_s(top: Entry, regions: Regions, ends: Sequence[_End], counts: Sequence[int]) -> Floats | None:
    """Return (J, J) round trips between servers; None if unknown.

    They follow from the regions if every server has one. Otherwise they are the one number that the file gives, or,
    if every server has a named kind of link or is in the orchestrator's machine, the larger of the two servers' own.
    """
    groups = [end.region for end in ends]
    one_ms = plausible(top, BETWEEN_SERVERS, "ms", "rtt_ms") if BETWEEN_SERVERS in top else None
    have_regions = all(region is not None for region in groups)
    require(one_ms is None or not have_regions, BETWEEN_SERVERS, one_ms, "the regions set it already; remove it")
    if BETWEEN_REGIONS in top and not have_regions:
        raise InputError(f"{BETWEEN_REGIONS}: some servers have no region; give all of them one, or remove it")
    if have_regions:
        return _of_pairs(regions.rtt_s, groups, counts)
    if one_ms is not None:
        return _same(one_ms / 1e3, counts)
    on_one_switch = all(end.on_switch for end in ends)
    return _of_pairs(_larger, [end.rtt_s for end in ends], counts) if on_one_switch else None


def _s_per_byte_between(top: Entry, regions: Regions, ends: Sequence[_End], counts: Sequence[int]) -> Floats | None:
    """Return (J, J) the seconds per byte between servers; None without bandwidths.

    With the kinds or the bandwidths of links in 10^6 bits/s, they are those of the slower one of two servers' links.
    """
    if REGION_BANDWIDTH in top:
        remedy = f"{REGION_BANDWIDTH} sets it already; remove it"
        require(SERVER_BANDWIDTH not in top, SERVER_BANDWIDTH, top.content.get(SERVER_BANDWIDTH), remedy)
        return _of_pairs(regions.s_per_byte, [end.region for end in ends], counts)
    if SERVER_BANDWIDTH in top:
        return _same(s_per_byte_of(top.content[SERVER_BANDWIDTH], SERVER_BANDWIDTH), counts)
    own_s = [end.s_per_byte for end in ends]
    follows = any(end.spans for end in ends) and any(own_s)
    return _of_pairs(_larger, own_s, counts) if follows else None


def _larger(values: Sequence[Any], others: Sequence[Any]) -> Floats:
    """Return (n, m) the larger number of each pair."""
    return np.maximum(np.array(values)[:, None], np.array(others))


def _of_pairs(
    between: Callable[[Sequence[Any], Sequence[Any]], Floats | None], groups: Sequence[Any], counts: Sequence[int]
) -> Floats | None:
    """Return (J, J) the numbers of the servers' regions; None for too many servers."""
    if sum(counts) > LARGEST_MATRIX:
        return None
    of_groups = between(groups, groups)
    return None if of_groups is None else _no_diagonal(of_groups.repeat(counts, axis=0).repeat(counts, axis=1))


def _same(value: float, counts: Sequence[int]) -> Floats | None:
    """Return (J, J) one number for any two servers; None for too many servers."""
    count = sum(counts)
    return None if count > LARGEST_MATRIX else _no_diagonal(np.full((count, count), value))


def _no_diagonal(values: Floats) -> Floats:
    np.fill_diagonal(values, 0.0)
    return values
