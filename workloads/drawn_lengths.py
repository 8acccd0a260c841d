"""The paper's exponential model in whole tokens, so that every job can be run for real, and a twin for theory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, expm1, inf

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_memory
from system.random_streams import RandomStreams
from workloads.jobs import Jobs
from workloads.requests import Requests, fitted, require_slot
from workloads.synthetic import MeanLengths, SyntheticWorkload

SIZE_GRID = 2**14  # sizes for the variation of prompts
STEP_BYTES = 60  # of a token at which a length is rounded up


@dataclass(frozen=True)
class DrawnLengths(MeanLengths):
    """Requests of random length in whole tokens.

    A size ~ Exp(1) is multiplied by the mean input tokens and by the mean further output tokens, and rounded.
    `SyntheticWorkload` multiplies a job's time by its size; here the size determines the lengths, and the job itself
    has size 1. Both draw the same sizes, arrivals and choices from the same streams, so that their jobs are paired.

    Three things differ: lengths are rounded; a size multiplies the fixed time of a visit, a length does not; and
    lengths are cut to the cache slot (`truncate` of `workloads.requests`) once `fitted` has set `slot_tokens`. So
    `input_tokens` and `output_tokens` are means before rounding and cutting, and `mean_job` has those of the jobs.
    """

    slot_tokens: int | None = None

    @cached_property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1) of the jobs, exactly.

        A mean is the sum over n of the probability of more than n tokens. A cut request has as many tokens as the slot,
        and the output is cut only where it would leave no token of the prompt.
        """
        if self.slot_tokens is None:
            no_prompt = -expm1(-0.5 / self.input_tokens)  # probability of a prompt of 0 tokens, which becomes one of 1
            return 1.0, _mean_rounded(self.input_tokens) + no_prompt, _mean_rounded(self.output_tokens - 1)
        require_slot(self.slot_tokens)
        tokens = 2 + float(np.exp(-self._steps(self.slot_tokens)[: self.slot_tokens - 2]).sum())
        further_tokens = _mean_rounded(self.output_tokens - 1, self.slot_tokens - 2)
        return 1.0, tokens - 1 - further_tokens, further_tokens

    @cached_property
    def prompt_cv(self) -> float:
        """Return the standard deviation of the input tokens over their mean.

        It is taken over sizes that are equally likely, and accurate to about .1 %.
        """
        size = -np.log1p(-(np.arange(SIZE_GRID) + 0.5) / SIZE_GRID)
        return self._requests(np.zeros(SIZE_GRID), size).prompt_cv

    def over_length_share(self, limit: int) -> float:
        """Return the probability that an uncut request has more than `limit` tokens."""
        return 1.0 if limit < 2 else float(np.exp(-self._steps(limit)[limit - 2]))

    def _steps(self, limit: int) -> NDArray[np.float64]:
        """Return in order the sizes from which on a request has one more token.

        They are at least the first `limit` - 1. A request of size 0 has 2 tokens. It has one more from each size on at
        which one of its lengths is rounded up, except the first half token of its prompt, which already counts as a
        whole token.
        """
        require_memory(STEP_BYTES * limit, "use smaller cache slots", cache_tokens=limit)
        halves = np.arange(limit) + 0.5
        further_tokens = self.output_tokens - 1
        steps = halves[1:] / self.input_tokens
        if further_tokens > 0:
            steps = np.concatenate([steps, halves / further_tokens])
        return np.sort(steps)

    def fitted(self, limit: int) -> "DrawnLengths":
        """Return the same requests, cut to a slot of `limit` tokens."""
        return replace(self, slot_tokens=limit)

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return `job_count` jobs of size 1; `lengths` is (n, 2) whole numbers."""
        return self._with_lengths(self._sizes.jobs(rate_per_s, streams))

    def chunks(self, rate_per_s: float | None, streams: RandomStreams, chunk_jobs: int) -> Iterator[Jobs]:
        """Yield the jobs in chunks, as `SyntheticWorkload` does."""
        return map(self._with_lengths, self._sizes.chunks(rate_per_s, streams, chunk_jobs))

    @property
    def _sizes(self) -> SyntheticWorkload:
        """Return the workload with the same arrivals and sizes."""
        return SyntheticWorkload(self.arrivals, self.job_count, self.input_tokens, self.output_tokens)

    def _with_lengths(self, jobs: Jobs) -> Jobs:
        """Return jobs of size 1 whose lengths follow from the sizes.

        There is at least one token each way.
        """
        lengths = self._requests(jobs.arrival_s, jobs.size).lengths
        return Jobs(jobs.arrival_s, np.ones(len(jobs)), lengths, jobs.uniform)

    def _requests(self, arrival_s: NDArray[np.float64], size: NDArray[np.float64]) -> Requests:
        """Return requests of these sizes, cut to the cache slot."""
        means = self.input_tokens, self.output_tokens - 1
        input_tokens, further_tokens = (np.rint(size * mean).astype(np.int64) for mean in means)
        requests = Requests(arrival_s, np.maximum(input_tokens, 1), further_tokens + 1)
        return fitted(requests, "truncate", self.slot_tokens)


def _mean_rounded(mean: float, most: float = inf) -> float:
    """Return the mean of size * mean, rounded and cut to at most `most`.

    `most` is a whole number. The mean is the sum of exp(-(n + 1/2)/mean) over n from 0 to `most` - 1.
    """
    return exp(-0.5 / mean) * expm1(-most / mean) / expm1(-1 / mean) if min(mean, most) > 0 else 0.0


@dataclass(frozen=True)
class DrawnMeans(SyntheticWorkload):
    """The paper's exponential workload with the means of `DrawnLengths`.

    Theory for this workload is of the same mean work as simulations and real runs of `DrawnLengths` with the same
    fields. As there, `input_tokens` and `output_tokens` are the means before rounding and cutting.
    """

    slot_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size_cv == 1, "size_cv", self.size_cv, "must be 1, as the means are those of exponential sizes")

    @cached_property
    def _drawn(self) -> DrawnLengths:
        return DrawnLengths(self.arrivals, self.job_count, self.input_tokens, self.output_tokens, self.slot_tokens)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1) of the drawn lengths."""
        return self._drawn.mean_job

    @property
    def prompt_cv(self) -> float:
        """Return that of the drawn lengths."""
        return self._drawn.prompt_cv

    def over_length_share(self, limit: int) -> float:
        """Return the probability that an uncut request of `DrawnLengths` has more than `limit` tokens."""
        return self._drawn.over_length_share(limit)

    def fitted(self, limit: int) -> "DrawnMeans":
        """Return the workload with the means of requests in slots of `limit` tokens."""
        return replace(self, slot_tokens=limit)
