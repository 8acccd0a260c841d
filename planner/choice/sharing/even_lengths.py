"""Requests whose lengths cover their distribution evenly, so that short simulations answer precisely."""

import numpy as np

from system.random_streams import RandomStreams
from workloads.drawn_lengths import DrawnLengths
from workloads.jobs import Jobs


class EvenLengths(DrawnLengths):
    """The requests of `DrawnLengths` with n sizes that are equally likely, one in each n-th of the distribution.

    Their order is that of the drawn sizes. So the mean work and the share of long requests are exact in every run.
    """

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return `job_count` jobs of size 1; `lengths` is (n, 2) whole numbers."""
        drawn = super().jobs(rate_per_s, streams)
        order = np.argsort(drawn.lengths.sum(axis=1), kind="stable")
        size = np.empty(len(drawn))
        size[order] = -np.log1p(-(np.arange(len(drawn)) + 0.5) / len(drawn))
        means = np.array([self.input_tokens, self.output_tokens - 1])
        lengths = np.maximum(np.rint(size[:, None] * means), [1, 0]).astype(np.int64)
        return Jobs(drawn.arrival_s, drawn.size, lengths, drawn.uniform)
