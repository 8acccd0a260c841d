"""How long servers take for jobs: what a service model says."""

from collections.abc import Callable
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require_one_of

Loop = Literal["jobs", "steps"]
Batching = Literal["serial", "decode"]


class ServiceModel(Protocol):
    """A rule for how long jobs take on servers, alone and beside each other (`conf/service`).

    `loop` names the event loop that simulates it. In `jobs` a job takes the time of equation (2), whoever else is in
    service. In `steps` a job is a step for its prompt and one for each further token, and steps queue at each server.
    """

    @property
    def loop(self) -> Loop: ...

    @property
    def step_s(self) -> Callable[..., float]:
        """The compiled function for the time of a computation (`system.service.linear_law.STEP`)."""

    @property
    def settings(self) -> NDArray[np.float64]:
        """What `step_s` gets as its last argument."""

    @property
    def batching(self) -> Batching:
        """Whether a server computes steps one at a time, or one-token steps that wait together."""

    @property
    def handling_s(self) -> float:
        """How long a server is not free after each step, beside computing it."""

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return factors of the times of one computation after the other; the first follows the last."""


def require_batching(batching: str) -> None:
    """Raise `InputError` unless servers can batch like this."""
    require_one_of(get_args(Batching), batching=batching)
