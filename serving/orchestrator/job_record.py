"""Records of the jobs of a real run. Times are in seconds; a time is NaN until its event has happened."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Status = Literal["served", "failed"]


@dataclass
class Parts:
    """The parts of a job's service time, summed over its steps."""

    compute_s: float = 0.0
    queue_s: float = 0.0  # waiting at servers for steps of other jobs
    held_s: float = 0.0  # waiting at servers that keep a pace
    transport_s: float = 0.0
    emulated_rtt_s: float = 0.0
    hops: int = 0


@dataclass
class ServedJob:
    """One job of a run, from its arrival to its end.

    Times are of the orchestrator's clock and count from the beginning of the run.
    """

    arrival_s: float
    start_s: float = np.nan  # of the attempt that was served
    first_token_s: float = np.nan
    end_s: float = np.nan
    chain: int = -1
    status: Status | None = None
    reason: str = ""
    attempts: int = 0
    tokens: list[int] = field(default_factory=list)
    parts: Parts = field(default_factory=Parts)

    @property
    def served(self) -> bool:
        """Return whether the job was served."""
        return self.status == "served"

    @property
    def service_s(self) -> float:
        """Return the time from the served attempt's start to its end."""
        return self.end_s - self.start_s

    @property
    def orchestrator_s(self) -> float:
        """Return the service time minus all parts.

        It is the time of the orchestrator's embedding, head and loop.
        """
        parts = self.parts
        known = parts.compute_s + parts.queue_s + parts.held_s + parts.transport_s + parts.emulated_rtt_s
        return self.service_s - known
