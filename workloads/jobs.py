"""Jobs as arrays: what an evaluator replays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Jobs:
    """n jobs in order of arrival. A job's service time on a chain is `size * (coefficients @ x)`.

    x = (1, input tokens, output tokens - 1). The paper's exponential model is one x for all and size ~ Exp(1); a trace
    has size 1 and lengths of its own. `uniform` is each job's own random number for its dispatcher's choices,
    so that every policy meets the same randomness.
    """

    arrival_s: NDArray[np.float64]  # (n,), not descending
    size: NDArray[np.float64]  # (n,)
    lengths: NDArray[np.float64]  # (n, 2) or, the same for all, (1, 2): input tokens, output tokens - 1
    uniform: NDArray[np.float64]  # (n,), in [0, 1)

    def __len__(self) -> int:
        return self.arrival_s.size
