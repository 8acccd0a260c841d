"""Dispatch policies: the rules that send jobs to chains.

A policy is a pure function, compiled once for the signature below. Simulators and real runs call the same function.
After every arrival and completion they call it for the job at the head of the central queue, until it returns -1 or
no job waits:

    policy(busy, queued, waiting, capacity, rate_per_s, settings, uniform) -> chain or -1

`busy[k]` jobs are in service on chain k, `queued[k]` jobs wait in the chain's own queue, and `waiting` jobs are in the
central queue, this one included. Chains are sorted fastest first. `uniform` is the job's own random number in [0, 1).

Arrays can only be read, and every index is checked. The result is one of:

- a chain with room: the job starts there;
- a full chain: the job joins that chain's own queue for good;
- -1: the job stays at the head of the central queue.

Any other result ends a run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numba import float64, int64
from numpy.typing import NDArray

from system.checks import float_vector
from system.code.compiler import suited
from system.code.signatures import INTEGERS, NUMBERS, user_signature

DISPATCH = user_signature(
    "dispatch",
    "busy queued waiting capacity rate_per_s settings uniform",
    int64(INTEGERS, INTEGERS, int64, INTEGERS, NUMBERS, NUMBERS, float64),
)


@dataclass(frozen=True)
class Dispatch:
    """A compiled policy with its settings; a plain function is compiled.

    `work_conserving` is the policy's claim that no job waits while a chain has room, and `deterministic` that it does
    not use `uniform`.
    """

    policy: Callable[..., int]
    work_conserving: bool
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    deterministic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", suited(self.policy, DISPATCH))
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))

    @property
    def function(self) -> Callable[..., int]:
        """Return the compiled function of this rule, the policy."""
        return self.policy

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self.policy.__name__
