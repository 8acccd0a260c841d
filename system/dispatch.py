"""How jobs get to chains: a dispatch policy with its settings.

A policy is a pure function, compiled once for the signature below. Simulators and real runs call the same one. They
ask it about the job at the head of the central queue after every arrival and completion, until it answers -1 or no job
waits:

    policy(busy, queued, waiting, capacity, rate_per_s, settings, uniform) -> chain or -1

`busy[k]` jobs are in service on chain k, `queued[k]` wait in its own queue, `waiting` jobs are in the central queue,
this one included. Chains come fastest first. The answer is a chain with room (the job starts there), a full chain (the
job joins that chain's own queue for good), or -1 (the job stays at the head of the central queue). `uniform` is the
job's own random number in [0, 1).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numba import float64, int64
from numpy.typing import NDArray

from system.checks import float_vector

DISPATCH = int64(int64[::1], int64[::1], int64, int64[::1], float64[::1], float64[::1], float64)


@dataclass(frozen=True)
class Dispatch:
    """A compiled policy with its settings.

    A work-conserving policy claims never to let a job wait while a slot is free.
    """

    policy: Callable[..., int]
    work_conserving: bool
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))

    @property
    def function(self) -> Callable[..., int]:
        """The compiled function of the rule: the policy."""
        return self.policy

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.__name__
