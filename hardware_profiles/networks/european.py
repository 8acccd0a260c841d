"""A generated European network, calibrated to published statistics: no download, and no limit on its size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.cities import CITIES
from hardware_profiles.networks.draw import NetworkDraw, require_servers
from hardware_profiles.networks.great_circle import EARTH_RADIUS_KM, great_circle_km
from hardware_profiles.quantities import s_per_byte_of
from system.checks import require, require_at_most, require_not_negative
from system.limits import DELAY_S

# Servers up to which all pairs get a time, because these take 8 J^2 bytes: 32 MB at this size.
LARGEST_MATRIX = 2000


@dataclass(frozen=True)
class European:
    """Random nodes near large cities.

    RTT = access_i + access_j + a constant per km of great circle. A node lies at random within `scatter_km` of a random
    city; its access latency is uniform between two limits. The defaults are calibrated to the summary of the 15,468
    RIPE Atlas measurements in Europe (July 2024): median 27.6 ms, mean 27.4 ms, range 1.2 to 62.7 ms. A round trip of
    light over 1 km takes 0.01 ms in fibre; the default is 0.014 ms because cables do not run straight.
    """

    access_min_ms: float = 0.5
    access_max_ms: float = 10.0
    path_ms_per_km: float = 0.014
    scatter_km: float = 30.0
    bandwidth_mbytes_per_s: float | None = None  # 10^6 bytes/s of each link; None: bytes take no time of their own

    def __post_init__(self) -> None:
        require_not_negative(
            access_min_ms=self.access_min_ms,
            access_max_ms=self.access_max_ms,
            path_ms_per_km=self.path_ms_per_km,
            scatter_km=self.scatter_km,
        )
        s_per_byte_of(self.bandwidth_mbytes_per_s, "bandwidth_mbytes_per_s")
        require_at_most(EARTH_RADIUS_KM, scatter_km=self.scatter_km)
        require_at_most(1e3 * DELAY_S, access_min_ms=self.access_min_ms, access_max_ms=self.access_max_ms)
        require(
            self.access_max_ms >= self.access_min_ms, "access_max_ms", self.access_max_ms, "must reach access_min_ms"
        )

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J random nodes around a random one.

        Times between servers are given for at most 2,000 servers. From the same generator state, a draw of more servers
        contains the servers of a smaller draw.
        """
        require_servers(server_count)
        uniform = rng.random((1 + server_count, 4))
        city = (uniform[:, 0] * len(CITIES)).astype(np.int64)
        position_deg = self._positions(city, uniform[:, 1], uniform[:, 2])
        access_ms = self.access_min_ms + (self.access_max_ms - self.access_min_ms) * uniform[:, 3]
        nodes = np.column_stack([position_deg, access_ms])
        names = tuple(f"{CITIES[c][0]} {j}" for j, c in enumerate(city[1:].tolist()))
        drawn = NetworkDraw(self._rtt_s(nodes[0], nodes[1:]), names, self._between(nodes[1:]))
        return drawn.with_bandwidth(self.bandwidth_mbytes_per_s)

    def _positions(
        self, city: NDArray[np.int64], area: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (n, 2) latitudes and longitudes, uniform in discs around cities."""
        centre_deg = np.array([position for _, *position in CITIES])[city]
        radius_deg = np.degrees(self.scatter_km / EARTH_RADIUS_KM) * np.sqrt(area)
        north_deg, east_deg = radius_deg * np.cos(2 * np.pi * turn), radius_deg * np.sin(2 * np.pi * turn)
        # Degrees of longitude get shorter towards the pole.
        return centre_deg + np.column_stack([north_deg, east_deg / np.cos(np.radians(centre_deg[:, 0]))])

    def _rtt_s(self, node: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the times between nodes (..., 3) and others (..., 3).

        The columns are latitude, longitude and access latency.
        """
        distance_km = great_circle_km(node[..., 0], node[..., 1], others[..., 0], others[..., 1])
        return (node[..., 2] + others[..., 2] + self.path_ms_per_km * distance_km) * 1e-3

    def _between(self, servers: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return (J, J) times between servers, or None for too many.

        They are zero on the diagonal.
        """
        if len(servers) > LARGEST_MATRIX:
            return None
        rtt_s = self._rtt_s(servers[:, None], servers)
        np.fill_diagonal(rtt_s, 0.0)
        return rtt_s
