"""Servers on one machine, with one round-trip time, which real runs emulate if it is above 0."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hardware_profiles.networks.draw import NetworkDraw
from system.checks import require_count, require_not_negative


@dataclass(frozen=True)
class Local:
    """One round-trip time between the orchestrator and each server and between any two servers."""

    deterministic: ClassVar[bool] = True

    rtt_s: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative(rtt_s=self.rtt_s)

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Return J servers, which are the same in every draw."""
        require_count(server_count=server_count)
        between_s = np.full((server_count, server_count), float(self.rtt_s))
        np.fill_diagonal(between_s, 0.0)
        names = tuple(f"server {j}" for j in range(server_count))
        return NetworkDraw(np.full(server_count, float(self.rtt_s)), names, between_s)
