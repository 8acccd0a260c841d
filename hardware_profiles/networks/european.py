"""A European network without a download and without a limit on its size, generated from published statistics."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.cities import CITIES
from hardware_profiles.networks.draw import NetworkDraw
from hardware_profiles.networks.great_circle import EARTH_RADIUS_KM, great_circle_km
from system.checks import require, require_count, require_not_negative

# Times between all pairs of servers take 8 J^2 bytes: 32 MB at this size.
LARGEST_MATRIX = 2000


@dataclass(frozen=True)
class European:
    """Nodes near large cities: RTT = access_i + access_j + a constant per km of great circle.

    A node lies at random within `scatter_km` of a random city; its access latency is uniform between two limits.
    The defaults are calibrated to the summary of the 15,468 RIPE Atlas measurements in Europe (July 2024): median 27.6,
    mean 27.4, range 1.2 to 62.7 ms. Light takes 0.01 ms for 2 km of fibre; cables that do not run straight make 0.014.
    """

    access_min_ms: float = 0.5
    access_max_ms: float = 10.0
    path_ms_per_km: float = 0.014
    scatter_km: float = 30.0

    def __post_init__(self) -> None:
        require_not_negative(
            access_min_ms=self.access_min_ms, path_ms_per_km=self.path_ms_per_km, scatter_km=self.scatter_km
        )
        require(
            self.access_max_ms >= self.access_min_ms, "access_max_ms", self.access_max_ms, "must reach access_min_ms"
        )

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """J random nodes around a random one; times between servers are given up to 2,000 servers.

        More servers from the same generator state means the same ones and others.
        """
        require_count(server_count=server_count)
        uniform = rng.random((1 + server_count, 4))
        city = (uniform[:, 0] * len(CITIES)).astype(np.int64)
        position_deg = self._positions(city, uniform[:, 1], uniform[:, 2])
        access_ms = self.access_min_ms + (self.access_max_ms - self.access_min_ms) * uniform[:, 3]
        nodes = np.column_stack([position_deg, access_ms])
        names = tuple(f"{CITIES[c][0]} {j}" for j, c in enumerate(city[1:].tolist()))
        return NetworkDraw(self._rtt_s(nodes[0], nodes[1:]), names, self._between(nodes[1:]))

    def _positions(
        self, city: NDArray[np.int64], area: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(n, 2) latitude and longitude, uniform over the disc around each node's city."""
        centre_deg = np.array([position for _, *position in CITIES])[city]
        radius_deg = np.degrees(self.scatter_km / EARTH_RADIUS_KM) * np.sqrt(area)
        north_deg, east_deg = radius_deg * np.cos(2 * np.pi * turn), radius_deg * np.sin(2 * np.pi * turn)
        # Meridians draw together towards the pole.
        return centre_deg + np.column_stack([north_deg, east_deg / np.cos(np.radians(centre_deg[:, 0]))])

    def _rtt_s(self, node: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times between nodes (..., 3) and others (..., 3), each a latitude, a longitude and an access latency."""
        distance_km = great_circle_km(node[..., 0], node[..., 1], others[..., 0], others[..., 1])
        return (node[..., 2] + others[..., 2] + self.path_ms_per_km * distance_km) * 1e-3

    def _between(self, servers: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """(J, J) times between servers, zero on the diagonal; None where there are too many servers."""
        if len(servers) > LARGEST_MATRIX:
            return None
        rtt_s = self._rtt_s(servers[:, None], servers)
        np.fill_diagonal(rtt_s, 0.0)
        return rtt_s
