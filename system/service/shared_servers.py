"""Settings of all service models in which jobs share servers and slow each other."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from system.checks import require_at_most, require_not_negative, require_positive
from system.code.compiler import compiled
from system.errors import InputError
from system.limits import CV, SLOWDOWN
from system.servers import Servers
from system.service.batch_curve import BatchCurve, batch_curve_of, curves_of, ratio_at
from system.service.linear_law import STEP
from system.service.model import StepRules

FACTORS = 1 << 16  # number of factors that are drawn; a longer run uses them again


@compiled(STEP)
def batch_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):  # type: ignore[no-untyped-def]
    """Return the time of steps that are computed together.

    `settings` is the batch curve. One-token steps take the time of a single one times the curve. A prompt has a part
    that does not depend on its tokens. Beside one-token steps, and in a chunk behind cached tokens, this part takes at
    least as long as they do, because weights must be read.
    """
    once_s = block_s[0] if prompt_tokens > 0 else 0.0
    if steps > 0 or cached_tokens > 0:
        once_s = max(once_s, block_s[2] * ratio_at(max(steps, 1), settings))
    return blocks * (once_s + block_s[1] * prompt_tokens)


@dataclass(frozen=True, kw_only=True)
class SharedServers:
    """Servers that compute one batch of steps at a time, for all jobs in service.

    - `batch_curve`: the time of a stack of one-token steps relative to a single step, by its size. It is linear between
      the given sizes, and goes on beyond them. `measured` takes the curves of the servers' profiles. Without sizes, a
      stack takes the time of a single step.
    - `handling_s`, `head_s`: as in `system.service.model.StepRules`.
    - `slowdown`: the mean ratio of the computing time to the time by the servers' coefficients, which may have been
      measured outside a server. `slowdown_cv` is the ratio's standard deviation from step to step, divided by its mean.
      The ratios are gamma distributed.
    """

    step_s: ClassVar[Callable[..., float]] = staticmethod(batch_s)
    request_delay_s: ClassVar[float] = 0.0

    batch_curve: BatchCurve = field(default_factory=dict)
    handling_s: float = 0.0
    head_s: float = 0.0
    slowdown: float = 1.0
    slowdown_cv: float = 0.0

    def __post_init__(self) -> None:
        self.rules  # noqa: B018  # checks the fields that it takes
        object.__setattr__(self, "batch_curve", batch_curve_of(self.batch_curve))
        require_positive(slowdown=self.slowdown)
        require_not_negative(slowdown_cv=self.slowdown_cv)
        require_at_most(SLOWDOWN, slowdown=self.slowdown)
        require_at_most(CV, slowdown_cv=self.slowdown_cv)

    @property
    def rules(self) -> StepRules:
        """Return the rules by which steps are chosen.

        They take the attributes that have the names of their fields.
        """
        names = (field.name for field in fields(StepRules))
        return StepRules(**{name: getattr(self, name) for name in names if hasattr(self, name)})

    @property
    def deterministic(self) -> bool:
        """Return whether the slowdown is the same for every step."""
        return self.slowdown_cv == 0

    def settings_of(self, servers: Servers) -> NDArray[np.float64]:
        """Return (J, n) the batch curve of each server."""
        return curves_of(self.batch_curve, servers)

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
