"""Equation (2): a job in service takes the time that it would take alone, whoever else is in service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.service.linear_law import step_alone_s
from system.service.model import Batching, Loop


@dataclass(frozen=True)
class Independent:
    """The paper's model. Real servers that are to follow it compute one step at a time."""

    loop: ClassVar[Loop] = "jobs"
    step_s: ClassVar[Callable[..., float]] = staticmethod(step_alone_s)
    batching: ClassVar[Batching] = "serial"
    handling_s: ClassVar[float] = 0.0

    @property
    def settings(self) -> NDArray[np.float64]:
        return np.empty(0)

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        return np.ones(1)


INDEPENDENT = Independent()
