"""The paper's exponential model in whole tokens, so that every job can really be run."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from system.random_streams import RandomStreams
from workloads.jobs import Jobs
from workloads.requests import Requests, fitted
from workloads.synthetic import MeanLengths
from workloads.workload import rate_or_native


@dataclass(frozen=True)
class DrawnLengths(MeanLengths):
    """Requests of random length: size ~ Exp(1) times the mean of input tokens and of further output tokens, rounded.

    Where `SyntheticWorkload` multiplies a job's time by its size, here the size makes its lengths, and a job's own size
    is 1. Both draw the same sizes, arrivals and choices from the same streams, so that their jobs are paired; what
    differs is rounding, the fixed time of a visit, which a size would multiply and a length does not, and that lengths
    are cut to the cache slot (`truncate` of `workloads.requests`) once `fitted` sets `slot_tokens`. The means are
    those before rounding and cut, so that chains and rates are the theory's.
    """

    slot_tokens: int | None = None

    def over_length_share(self, limit: int) -> float:
        """Probability that a request has more than `limit` tokens before it is cut.

        A request of size 0 has 2 tokens, and one more from each size on at which one of its lengths is rounded up; the
        first half token of a prompt counts as a whole one already.
        """
        if limit < 2:
            return 1.0
        halves = np.arange(limit) + 0.5
        further_tokens = self.output_tokens - 1
        steps = halves[1:] / self.input_tokens
        if further_tokens > 0:
            steps = np.concatenate([steps, halves / further_tokens])
        return float(np.exp(-np.sort(steps)[limit - 2]))

    def fitted(self, limit: int) -> "DrawnLengths":
        """The same requests, cut to a slot of `limit` tokens."""
        return replace(self, slot_tokens=limit)

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """`job_count` jobs of size 1; `lengths` has a row of whole numbers for each."""
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        arrival_s = np.cumsum(self.arrivals.gaps_s(rate, self.job_count, streams.jobs("arrivals")))
        size = streams.jobs("sizes").standard_exponential(self.job_count)
        requests = fitted(self._requests(arrival_s, size), "truncate", self.slot_tokens)
        uniform = streams.jobs("choices").random(self.job_count)
        return Jobs(arrival_s, np.ones(self.job_count), requests.lengths, uniform)

    def _requests(self, arrival_s: NDArray[np.float64], size: NDArray[np.float64]) -> Requests:
        """Requests of these sizes: a prompt and an output of at least one token each."""
        input_tokens, further_tokens = (np.rint(size * mean).astype(np.int64) for mean in self.mean_job[1:])
        return Requests(arrival_s, np.maximum(input_tokens, 1), further_tokens + 1)
