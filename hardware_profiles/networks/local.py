"""Servers on one machine, with one round-trip time, which real runs emulate if it is above 0."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.draw import NetworkDraw, require_servers
from hardware_profiles.networks.european import LARGEST_MATRIX
from hardware_profiles.quantities import s_per_byte_of
from system.checks import require_at_most, require_not_negative
from system.limits import DELAY_S


@dataclass(frozen=True)
class Local:
    """One round-trip time between the orchestrator and each server and between any two, and perhaps one bandwidth.

    Times between servers are given for at most 2,000 servers.
    """

    deterministic: ClassVar[bool] = True

    rtt_s: float = 0.0
    bandwidth_mbytes_per_s: float | None = None  # 10^6 bytes/s of each link; None: bytes take no time of their own

    def __post_init__(self) -> None:
        require_not_negative(rtt_s=self.rtt_s)
        require_at_most(DELAY_S, rtt_s=self.rtt_s)
        s_per_byte_of(self.bandwidth_mbytes_per_s, "bandwidth_mbytes_per_s")

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Return J servers, which are the same in every draw."""
        require_servers(server_count)
        names = tuple(f"server {j}" for j in range(server_count))
        nodes = NetworkDraw(np.full(server_count, float(self.rtt_s)), names, self._between_s(server_count))
        return nodes.with_bandwidth(self.bandwidth_mbytes_per_s)

    def _between_s(self, server_count: int) -> NDArray[np.float64] | None:
        """Return (J, J) times between servers; None for too many servers."""
        if server_count > LARGEST_MATRIX:
            return None
        between_s = np.full((server_count, server_count), float(self.rtt_s))
        np.fill_diagonal(between_s, 0.0)
        return between_s
