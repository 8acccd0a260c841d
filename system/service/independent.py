"""The service model of equation (2): the other jobs in service do not slow a job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.service.linear_law import step_alone_s
from system.service.model import Batching, Loop


@dataclass(frozen=True)
class Independent:
    """The paper's model, in which a job takes the time that it would take alone.

    Real servers that follow this model compute one step at a time.
    """

    deterministic: ClassVar[bool] = True
    loop: ClassVar[Loop] = "jobs"
    step_s: ClassVar[Callable[..., float]] = staticmethod(step_alone_s)
    batching: ClassVar[Batching] = "serial"
    handling_s: ClassVar[float] = 0.0

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return no settings: `step_s` needs none."""
        return np.empty(0)

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return a factor of 1 for every computation."""
        return np.ones(1)


INDEPENDENT = Independent()
