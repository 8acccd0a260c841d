"""The service model of equation (2): the other jobs in service do not slow a job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.checks import require_at_most, require_not_negative
from system.limits import DELAY_S
from system.servers import Servers
from system.service.linear_law import step_alone_s
from system.service.model import Loop, StepRules


@dataclass(frozen=True)
class Independent:
    """The paper's model, in which a job takes the time that it would take alone.

    Real servers that follow this model compute one step at a time.

    `request_delay_s` is a time that every request takes before its first hop, whatever its size. It counts as service.
    The authors' simulator adds 0.07 s. Equation (2) has no such time, so the default is 0. Theory and condition (4)
    leave it out, and real runs refuse it.
    """

    deterministic: ClassVar[bool] = True
    loop: ClassVar[Loop] = "jobs"
    step_s: ClassVar[Callable[..., float]] = staticmethod(step_alone_s)
    rules: ClassVar[StepRules] = StepRules()

    request_delay_s: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative(request_delay_s=self.request_delay_s)
        require_at_most(DELAY_S, request_delay_s=self.request_delay_s)

    def settings_of(self, servers: Servers) -> NDArray[np.float64]:
        """Return (J, 0) no settings: `step_s` needs none."""
        return np.empty((len(servers), 0))

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return a factor of 1 for every computation."""
        return np.ones(1)


INDEPENDENT = Independent()
