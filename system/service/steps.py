"""Step queues: a server computes one step, or one stack of one-token steps, at a time, so jobs slow each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_not_negative, require_positive
from system.code.compiler import compiled
from system.errors import InputError
from system.service.linear_law import STEP, step_alone_s
from system.service.model import Batching, Loop, require_batching

FACTORS = 1 << 16  # drawn; a longer run takes them again


@compiled(STEP)
def stack_s(prompt_tokens, steps, blocks, block_s, settings):  # type: ignore[no-untyped-def]
    """Return the time of the longest step, and `settings[0]` of it for each further one."""
    return step_alone_s(prompt_tokens, steps, blocks, block_s, settings) * (1 + settings[0] * (steps - 1))


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Jobs as steps of a prompt and of one token each, which queue at every server in the order in which they come.

    - `batching`: `serial` computes one step at a time. `decode` computes several one-token steps together once the
      first that waits is one, and prompts alone. They are as many as the server's jobs would have there at a time if
      all blocks took equally long (slots in use over L, rounded up), so that servers of a chain work side by side.
    - `further_share`: under `decode`, what each further step of a stack adds to the time of the longest.
    - `handling_s`: a server is not free for so long after each step: it sends the answer and takes in what has come.
      For the job itself that is part of its communication.
    - `slowdown`: the mean factor of computing against what the servers' coefficients say, which may come from
      measurements outside a server. `slowdown_cv` is its standard deviation from step to step over the mean; factors
      are gamma distributed.
    """

    loop: ClassVar[Loop] = "steps"
    step_s: ClassVar[Callable[..., float]] = staticmethod(stack_s)

    batching: Batching = "serial"
    further_share: float = 0.0
    handling_s: float = 0.0
    slowdown: float = 1.0
    slowdown_cv: float = 0.0

    def __post_init__(self) -> None:
        require_batching(self.batching)
        require_not_negative(further_share=self.further_share)
        require(self.further_share <= 1, "further_share", self.further_share, "is a share of a step's time, at most 1")
        require_not_negative(handling_s=self.handling_s)
        require_positive(slowdown=self.slowdown)
        require_not_negative(slowdown_cv=self.slowdown_cv)

    @property
    def settings(self) -> NDArray[np.float64]:
        return np.array([float(self.further_share)])

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return the slowdown of one computation after the other; `InputError` if it varies and there is no `rng`."""
        if self.slowdown_cv == 0:
            return np.full(1, float(self.slowdown))
        if rng is None:
            raise InputError("slowdown_cv: needs random numbers; give a generator")
        shape = self.slowdown_cv**-2
        return rng.gamma(shape, self.slowdown / shape, FACTORS)
