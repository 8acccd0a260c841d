"""The waiting times under thresholds."""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from system.errors import NotApplicableError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdWaits:
    """Waits under thresholds, which depend on later arrivals: only their mean is known."""

    probability: float
    mean_s: float

    def tail(self, time_s: float) -> float:
        """Return P(waiting time > 0); raise `NotApplicableError` for other times."""
        return self.probability if time_s == 0 else _refuse()

    def quantile_s(self, q: float) -> float:
        """Raise `NotApplicableError`."""
        _refuse()

    def stage_tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Raise `NotApplicableError`."""
        _refuse()


def _refuse() -> NoReturn:
    raise NotApplicableError(
        "thresholds: only means are known exactly where jobs wait for thresholds; simulate this system instead"
    )
