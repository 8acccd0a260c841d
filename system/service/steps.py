"""The service model of step queues, in which jobs slow each other.

A server computes one step, or one stack of one-token steps, at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_at_most, require_not_negative, require_positive
from system.code.compiler import compiled
from system.errors import InputError
from system.limits import CV, DELAY_S, SLOWDOWN
from system.service.linear_law import STEP, step_alone_s
from system.service.model import Batching, Loop, require_batching

FACTORS = 1 << 16  # number of factors that are drawn; a longer run uses them again


@compiled(STEP)
def stack_s(prompt_tokens, steps, blocks, block_s, settings):  # type: ignore[no-untyped-def]
    """Return the time of a stack of steps.

    It is the time of the longest step, and for each further step `settings[0]` times as much.
    """
    return step_alone_s(prompt_tokens, steps, blocks, block_s, settings) * (1 + settings[0] * (steps - 1))


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Jobs as a step for the prompt and a step for each further token, which queue at servers in order of arrival.

    - `batching`: `serial` computes one step at a time. `decode` computes prompts alone; if the first waiting step is a
      one-token step, it computes several one-token steps together. Their number is the number of steps that the
      server's jobs would have there at a time if all blocks took equally long (slots in use over L, rounded up), so
      that the servers of a chain work in parallel.
    - `further_share`: under `decode`, the share of the longest step's time that each further step of a stack adds.
    - `handling_s`: the seconds for which a server stays busy after each step, to send the answer and to receive
      messages. For the job itself they are part of its communication.
    - `slowdown`: the mean ratio of the computing time to the time by the servers' coefficients, which may have been
      measured outside a server. `slowdown_cv` is the ratio's standard deviation from step to step, divided by its mean.
      The ratios are gamma distributed.
    """

    loop: ClassVar[Loop] = "steps"
    step_s: ClassVar[Callable[..., float]] = staticmethod(stack_s)
    request_delay_s: ClassVar[float] = 0.0

    batching: Batching = "serial"
    further_share: float = 0.0
    handling_s: float = 0.0
    slowdown: float = 1.0
    slowdown_cv: float = 0.0

    def __post_init__(self) -> None:
        require_batching(self.batching)
        require_not_negative(further_share=self.further_share)
        require(
            self.further_share <= 1, "further_share", self.further_share, "must be a share of a step's time, at most 1"
        )
        require_not_negative(handling_s=self.handling_s)
        require_positive(slowdown=self.slowdown)
        require_not_negative(slowdown_cv=self.slowdown_cv)
        require_at_most(DELAY_S, handling_s=self.handling_s)
        require_at_most(SLOWDOWN, slowdown=self.slowdown)
        require_at_most(CV, slowdown_cv=self.slowdown_cv)

    @property
    def deterministic(self) -> bool:
        """Return whether the slowdown is the same for every step."""
        return self.slowdown_cv == 0

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return the share of a step's time that each further step adds."""
        return np.array([float(self.further_share)])

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return the slowdowns of successive computations.

        Raises `InputError` if the slowdown varies and there is no `rng`.
        """
        if self.slowdown_cv == 0:
            return np.full(1, float(self.slowdown))
        if rng is None:
            raise InputError(f"slowdown_cv = {self.slowdown_cv:g}: needs random numbers; give a generator")
        shape = self.slowdown_cv**-2
        return rng.gamma(shape, self.slowdown / shape, FACTORS)
