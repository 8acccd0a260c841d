"""Dispatch policies: pure functions that say which chain takes the next job, one file each.

A policy is compiled once for the signature below, and the same function serves the simulator and real requests. It is
asked about the head of the central queue after every arrival and completion, until it says -1 or nobody waits:

    policy(busy, queued, waiting, capacity, rate_per_s, settings, uniform) -> chain or -1

`busy[k]` jobs are in service on chain k, `queued[k]` wait in its own queue, `waiting` jobs are in the central queue
(the one asked about included). Chains come fastest first. The answer is a chain with room (the job starts there), a
full chain (the job joins that chain's own queue for good), or -1 (it stays at the head of the central queue).
`uniform` is the job's own random number in [0, 1). A policy must not call compiled functions of other files: numba
would not notice when those change.
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
    """A compiled policy with its settings, and whether it claims never to let a job wait while a slot is free."""

    policy: Callable[..., int]
    work_conserving: bool
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))
