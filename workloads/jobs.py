"""Jobs as arrays, the input that an evaluator replays."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from system.checks import float_array, require


@dataclass(frozen=True)
class Jobs:
    """n jobs in order of arrival.

    A job's service time on a chain is `size * (coefficients @ x)` with x = (1, input tokens, output tokens - 1). In the
    paper's exponential model all jobs share one x, and size ~ Exp(1); in a trace every job has size 1 and its own
    lengths. `uniform` holds one random number per job for the dispatch policy's choices, so that every policy meets the
    same randomness.
    """

    arrival_s: NDArray[np.float64]  # (n,), not descending
    size: NDArray[np.float64]  # (n,)
    lengths: NDArray[np.float64]  # (n, 2) or, the same for all, (1, 2): input tokens, output tokens - 1
    uniform: NDArray[np.float64]  # (n,), in [0, 1)

    def __post_init__(self) -> None:
        for name in ("arrival_s", "size", "lengths", "uniform"):
            values = float_array(name, getattr(self, name))
            object.__setattr__(self, name, np.require(values, requirements=("C", "W")))  # as compiled code needs them
        n = self.arrival_s.size
        for name in ("arrival_s", "size", "uniform"):
            values = getattr(self, name)
            require(
                values.shape == (n,),
                name,
                f"array of shape {values.shape}",
                f"must have shape ({n},), one number per job",
            )
        fits = self.lengths.shape in ((n, 2), (1, 2))
        require(fits, "lengths", f"array of shape {self.lengths.shape}", f"must have shape ({n}, 2) or (1, 2)")
        if n:
            self._check_values()

    def _check_values(self) -> None:
        """Raise `InputError` unless all values are in range and arrivals in order.

        Minima and maxima reveal every fault, NaN included, in a few nanoseconds per job.
        """
        for name in ("arrival_s", "size", "lengths", "uniform"):
            values = getattr(self, name)
            sound = values.min() >= 0 and np.isfinite(values.max())
            require(bool(sound), name, f"{values.min():g} to {values.max():g}", "must be finite numbers, 0 or above")
        require(bool(self.uniform.max() < 1), "uniform", self.uniform.max(), "must be below 1")
        ascending = bool(np.all(self.arrival_s[1:] >= self.arrival_s[:-1]))
        require(ascending, "arrival_s", "out of order", "give the jobs in order of arrival")

    def of_jobs(self, chosen: slice | NDArray[np.bool_]) -> Self:
        """Return the chosen jobs."""
        lengths = self.lengths[chosen] if len(self.lengths) == len(self) else self.lengths
        return replace(
            self,
            arrival_s=self.arrival_s[chosen],
            size=self.size[chosen],
            lengths=lengths,
            uniform=self.uniform[chosen],
        )

    def __len__(self) -> int:
        return self.arrival_s.size
