"""The interface of service models, the rules for how long servers take for jobs."""

from collections.abc import Callable
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require_one_of

Loop = Literal["jobs", "steps"]
Batching = Literal["serial", "decode"]


class ServiceModel(Protocol):
    """A rule for how long jobs take on servers, alone and beside each other (`conf/service`)."""

    @property
    def loop(self) -> Loop:
        """Return the name of the event loop that simulates this model.

        In `jobs`, a job takes the time of equation (2), whatever other jobs are in service. In `steps`, a job is one
        step for its prompt and one for each further token, and steps queue at each server.
        """

    @property
    def step_s(self) -> Callable[..., float]:
        """Return the compiled function for the time of a computation (`system.service.linear_law.STEP`)."""

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return the last argument of `step_s`."""

    @property
    def batching(self) -> Batching:
        """Return how servers batch steps.

        `serial` computes one step at a time, `decode` computes waiting one-token steps together.
        """

    @property
    def handling_s(self) -> float:
        """Return the seconds for which a server stays busy after computing each step."""

    @property
    def request_delay_s(self) -> float:
        """Return the seconds of each request before its first hop; only for the loop `jobs`."""

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return the factors that multiply the times of successive computations.

        After the last factor the first is used again.
        """


def require_batching(batching: str) -> None:
    """Raise `InputError` unless this is a way in which servers can batch."""
    require_one_of(get_args(Batching), batching=batching)
