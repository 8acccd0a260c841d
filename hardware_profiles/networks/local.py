"""Servers on one machine, with one round-trip time, which real runs emulate if it is above 0."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.draw import NetworkDraw, require_servers
from hardware_profiles.networks.european import LARGEST_MATRIX
from system.checks import require_at_most, require_not_negative
from system.limits import DELAY_S


@dataclass(frozen=True)
class Local:
    """One round-trip time between the orchestrator and each server and between any two servers.

    Times between servers are given for at most 2,000 servers.
    """

    deterministic: ClassVar[bool] = True

    rtt_s: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative(rtt_s=self.rtt_s)
        require_at_most(DELAY_S, rtt_s=self.rtt_s)

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Return J servers, which are the same in every draw."""
        require_servers(server_count)
        names = tuple(f"server {j}" for j in range(server_count))
        return NetworkDraw(np.full(server_count, float(self.rtt_s)), names, self._between_s(server_count))

    def _between_s(self, server_count: int) -> NDArray[np.float64] | None:
        """Return (J, J) times between servers; None for too many servers."""
        if server_count > LARGEST_MATRIX:
            return None
        between_s = np.full((server_count, server_count), float(self.rtt_s))
        np.fill_diagonal(between_s, 0.0)
        return between_s
