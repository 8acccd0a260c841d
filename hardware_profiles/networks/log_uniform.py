"""Servers whose round trips spread evenly over orders of magnitude."""

from dataclasses import dataclass

import numpy as np

from hardware_profiles.networks.draw import NetworkDraw, require_servers
from hardware_profiles.quantities import s_per_byte_of
from system.checks import require, require_at_most, require_positive
from system.limits import DELAY_S


@dataclass(frozen=True)
class LogUniform:
    """Round trips to the orchestrator whose logarithms are uniform, each drawn by itself.

    The defaults reach from servers in the same building to servers on another continent. Round trips between servers
    are not known.
    """

    least_ms: float = 1.0
    most_ms: float = 100.0
    bandwidth_mbytes_per_s: float | None = None  # 10^6 bytes/s to the orchestrator; None: bytes take no time

    def __post_init__(self) -> None:
        require_positive(least_ms=self.least_ms, most_ms=self.most_ms)
        require_at_most(1e3 * DELAY_S, most_ms=self.most_ms)
        s_per_byte_of(self.bandwidth_mbytes_per_s, "bandwidth_mbytes_per_s")
        require(self.most_ms >= self.least_ms, "most_ms", self.most_ms, "must reach least_ms")

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J servers at random.

        From the same generator state, a draw of more servers contains the servers of a smaller draw.
        """
        require_servers(server_count)
        rtt_ms = np.exp(rng.uniform(np.log(self.least_ms), np.log(self.most_ms), server_count))
        nodes = NetworkDraw(rtt_ms * 1e-3, tuple(f"server {j}" for j in range(server_count)))
        return nodes.with_bandwidth(self.bandwidth_mbytes_per_s)
