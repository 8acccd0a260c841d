"""The paper's exponential model in whole tokens, so that every job can be run for real."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from system.checks import require_memory
from system.random_streams import RandomStreams
from workloads.jobs import Jobs
from workloads.requests import Requests, fitted
from workloads.synthetic import MeanLengths
from workloads.workload import rate_or_native, require_job_memory

STEP_BYTES = 60  # of a token at which a length is rounded up


@dataclass(frozen=True)
class DrawnLengths(MeanLengths):
    """Requests of random length in whole tokens.

    A size ~ Exp(1) is multiplied by the mean input tokens and by the mean further output tokens, and rounded.
    `SyntheticWorkload` multiplies a job's time by its size; here the size determines the lengths, and the job itself
    has size 1. Both draw the same sizes, arrivals and choices from the same streams, so that their jobs are paired.

    Three things differ: lengths are rounded; a size multiplies the fixed time of a visit, a length does not; and
    lengths are cut to the cache slot (`truncate` of `workloads.requests`) once `fitted` has set `slot_tokens`. The
    means are those before rounding and cutting, so that chains and rates are those of the theory.
    """

    slot_tokens: int | None = None

    def over_length_share(self, limit: int) -> float:
        """Return the probability that an uncut request has more than `limit` tokens.

        A request of size 0 has 2 tokens. It has one more from each size on at which one of its lengths is rounded up,
        except the first half token of its prompt, which already counts as a whole token.
        """
        if limit < 2:
            return 1.0
        require_memory(STEP_BYTES * limit, "use smaller cache slots", cache_tokens=limit)
        halves = np.arange(limit) + 0.5
        further_tokens = self.output_tokens - 1
        steps = halves[1:] / self.input_tokens
        if further_tokens > 0:
            steps = np.concatenate([steps, halves / further_tokens])
        return float(np.exp(-np.sort(steps)[limit - 2]))

    def fitted(self, limit: int) -> "DrawnLengths":
        """Return the same requests, cut to a slot of `limit` tokens."""
        return replace(self, slot_tokens=limit)

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return `job_count` jobs of size 1; `lengths` is (n, 2) whole numbers."""
        require_job_memory(self.job_count)
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        arrival_s = np.cumsum(self.arrivals.gaps_s(rate, self.job_count, streams.jobs("arrivals")))
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        requests = fitted(self._requests(arrival_s, size), "truncate", self.slot_tokens)
        uniform = streams.jobs("choices").random(self.job_count)
        return Jobs(arrival_s, np.ones(self.job_count), requests.lengths, uniform)

    def _requests(self, arrival_s: NDArray[np.float64], size: NDArray[np.float64]) -> Requests:
        """Return requests of these sizes, with at least one token each way."""
        input_tokens, further_tokens = (np.rint(size * mean).astype(np.int64) for mean in self.mean_job[1:])
        return Requests(arrival_s, np.maximum(input_tokens, 1), further_tokens + 1)
