"""What is known of a real run's jobs: an array an entry, in seconds; NaN where a job has not come so far."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Status = Literal["served", "failed"]


@dataclass
class Parts:
    """Where the time of a job's service went; summed over its steps."""

    compute_s: float = 0.0
    queue_s: float = 0.0  # at servers, behind other jobs' steps
    held_s: float = 0.0  # by servers that keep a pace
    transport_s: float = 0.0
    emulated_rtt_s: float = 0.0
    hops: int = 0


@dataclass
class ServedJob:
    """One job of a run, from its arrival to its end. The clock is the orchestrator's, from the begin of the run."""

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
        return self.status == "served"

    @property
    def service_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def orchestrator_s(self) -> float:
        """What is left of the service time: the orchestrator's own embedding, head and loop."""
        parts = self.parts
        known = parts.compute_s + parts.queue_s + parts.held_s + parts.transport_s + parts.emulated_rtt_s
        return self.service_s - known
