"""Dispatch policies: the rules that send jobs to chains.

A policy is a pure function, compiled once for the signature below. Simulators and real runs call the same function.
After every arrival and completion (`Dispatch.looks`) they call it for the job at the head of the central queue, until
it returns -1 or no job waits:

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
from numpy.typing import ArrayLike, NDArray

from system.checks import float_vector, require, require_one_of
from system.code.compiler import suited
from system.code.signatures import INTEGERS, NUMBERS, user_signature
from system.composition import Composition

DISPATCH = user_signature(
    "dispatch",
    "busy queued waiting capacity rate_per_s settings uniform",
    int64(INTEGERS, INTEGERS, int64, INTEGERS, NUMBERS, NUMBERS, float64),
)


LOOKS = ("events", "arrivals")


@dataclass(frozen=True)
class Dispatch:
    """A compiled policy with its settings; a plain function is compiled.

    `work_conserving` is the policy's claim that no job waits while a chain has room, and `deterministic` that it does
    not use `uniform`.

    `looks` says when the policy is called. `events` is the paper's system: after every arrival and completion.
    `arrivals` is the authors' simulator: a job that waits starts at the next arrival, although a chain has had room
    before. After the last arrival nothing starts it there, so all jobs that still wait start together at the next
    completion, on that chain, beyond its capacity. This suits only a comparison with the published runs, so it is not
    the default.

    `settings` are the same for all layouts. A policy that needs numbers of the chains and servers gives `settings_of`
    instead: for the chains in front of it, the settings that it then gets.
    """

    policy: Callable[..., int]
    work_conserving: bool
    settings: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    deterministic: bool = False
    looks: str = "events"
    settings_of: Callable[[Composition], ArrayLike] | None = None

    def __post_init__(self) -> None:
        require_one_of(LOOKS, looks=self.looks)
        remedy = "lets jobs wait while a chain has room; set work_conserving=False"
        require(self.looks == "events" or not self.work_conserving, "looks", self.looks, remedy)
        object.__setattr__(self, "policy", suited(self.policy, DISPATCH))
        object.__setattr__(self, "settings", float_vector("settings", self.settings, -np.inf))

    def settings_for(self, chains: Composition) -> NDArray[np.float64]:
        """Return the settings for the given chains."""
        if self.settings_of is None:
            return self.settings
        return float_vector("settings", self.settings_of(chains), -np.inf)

    @property
    def function(self) -> Callable[..., int]:
        """Return the compiled function of this rule, the policy."""
        return self.policy

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self.policy.__name__
