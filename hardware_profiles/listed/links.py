"""Round trips of listed servers: given, from the distances of their regions, or from a table of regions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.cities import CITIES
from hardware_profiles.networks.european import LARGEST_MATRIX, European
from hardware_profiles.networks.great_circle import great_circle_km
from hardware_profiles.quantities import plausible, require_plausible
from system import InputError
from system.checks import is_finite_number, require, require_known, require_not_negative
from system.documents.entries import Entry

BETWEEN_SERVERS, BETWEEN_REGIONS = "rtt_between_servers_ms", "rtt_between_regions_ms"
POSITIONS = {city: (latitude_deg, longitude_deg) for city, latitude_deg, longitude_deg in CITIES}
NETWORK = European()  # gives the mean access latency and the time per km


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

    def rtt_s(self, regions: Sequence[Any], others: Sequence[Any]) -> NDArray[np.float64]:
        """Return (n, m) the round trips between positions."""
        a, b = np.array(regions)[:, None], np.array(others)
        km = great_circle_km(a[..., 0], a[..., 1], b[..., 0], b[..., 1])
        return (NETWORK.access_min_ms + NETWORK.access_max_ms + NETWORK.path_ms_per_km * km) / 1e3


class RegionTable:
    """Named regions, with a round trip between any two and within each of them."""

    def __init__(self, top: Entry) -> None:
        """Read a table; raise `InputError` for missing or contradictory pairs."""
        self._rtt_ms: dict[frozenset[str], float] = {}
        rows = top.value(BETWEEN_REGIONS, "a mapping of regions to mappings of regions to ms")
        is_table = isinstance(rows, dict) and rows != {}
        require(is_table, BETWEEN_REGIONS, rows, "must be a mapping of regions to mappings")
        for region, row in rows.items():
            require(isinstance(row, dict), f"{BETWEEN_REGIONS}.{region}", row, "must be a mapping of regions to ms")
            for other, rtt_ms in row.items():
                self._add(str(region), str(other), rtt_ms)
        self._names = list(dict.fromkeys(name for pair in self._rtt_ms for name in sorted(pair)))
        for number, region in enumerate(self._names):
            for other in self._names[number:]:
                lacking = frozenset((region, other)) not in self._rtt_ms
                between = f"between {region} and {other}" if region != other else f"within {region}"
                require(not lacking, BETWEEN_REGIONS, f"no round trip {between}", "give one in ms")

    def _add(self, region: str, other: str, rtt_ms: Any) -> None:
        key, pair = f"{BETWEEN_REGIONS}.{region}.{other}", frozenset((region, other))
        require_not_negative(**{key: rtt_ms})
        require_plausible("rtt_ms", rtt_ms, key)
        known = self._rtt_ms.setdefault(pair, float(rtt_ms))
        require(known == rtt_ms, key, rtt_ms, f"must be {known:g} as in the other direction; a round trip has one time")

    def region(self, entry: Entry, key: str) -> str:
        """Return the region that an entry names."""
        name = entry.text(key, f"a region of {BETWEEN_REGIONS}")
        require_known(entry.where(key), name, self._names)
        return name

    def rtt_s(self, regions: Sequence[Any], others: Sequence[Any]) -> NDArray[np.float64]:
        """Return (n, m) the round trips between named regions."""
        return np.array([[self._rtt_ms[frozenset((a, b))] for b in others] for a in regions]) / 1e3


Regions = Distances | RegionTable


def regions_of(top: Entry) -> Regions:
    """Return a file's regions, named or positions on Earth."""
    return RegionTable(top) if BETWEEN_REGIONS in top else Distances()


def to_orchestrator_s(entry: Entry, top: Entry, regions: Regions) -> tuple[float, Any]:
    """Return round trip to the orchestrator, and region or None.

    The round trip is given, or it follows from the regions.
    """
    twice = "rtt_ms" in entry and "region" in entry
    remedy = "region sets it already; give one of the two"
    require(not twice, entry.where("rtt_ms"), entry.content.get("rtt_ms"), remedy)
    if "region" not in entry:
        hint = (
            "the round-trip time to the orchestrator in ms, or a region (and the orchestrator's region as orchestrator)"
        )
        return plausible(entry, "rtt_ms", hint) / 1e3, None
    region = regions.region(entry, "region")
    return float(regions.rtt_s([region], [regions.region(top, "orchestrator")])[0, 0]), region


def between_servers_s(
    top: Entry, regions: Regions, groups: Sequence[Any], counts: Sequence[int]
) -> NDArray[np.float64] | None:
    """Return (J, J) round trips between servers; None if unknown.

    `groups` are the regions of groups of servers, with their counts. The round trips follow from the regions if every
    group has one, and are otherwise the one number that the file gives.
    """
    count = sum(counts)
    one_ms = plausible(top, BETWEEN_SERVERS, "ms", "rtt_ms") if BETWEEN_SERVERS in top else None
    have_regions = all(region is not None for region in groups)
    require(one_ms is None or not have_regions, BETWEEN_SERVERS, one_ms, "the regions set it already; remove it")
    if BETWEEN_REGIONS in top and not have_regions:
        raise InputError(f"{BETWEEN_REGIONS}: some servers have no region; give all of them one, or remove it")
    if count > LARGEST_MATRIX or not (have_regions or one_ms is not None):
        return None
    if have_regions:
        rtt_s = regions.rtt_s(groups, groups).repeat(counts, axis=0).repeat(counts, axis=1)
    else:
        rtt_s = np.full((count, count), one_ms) / 1e3
    np.fill_diagonal(rtt_s, 0.0)
    return rtt_s
