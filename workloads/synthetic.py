"""Workloads drawn at random.

They are the paper's exponential model and a workload that is calibrated to published statistics.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from system import NotApplicableError
from system.checks import float_vector, require, require_at_most, require_boolean, require_count
from system.limits import CV, JOBS, TOKENS
from system.random_streams import RandomStreams
from workloads.arrivals import ArrivalProcess, Poisson, renewal_of_cv
from workloads.jobs import Jobs
from workloads.requests import OverLength, Requests, fitted, over_length_share, require_treatment
from workloads.workload import Workload, rate_or_native, require_job_memory

INPUT_GRID, OUTPUT_GRID = 128, 8192  # output lengths have the longer tail


@dataclass(frozen=True)
class MeanLengths:
    """Fields shared by workloads given as a job count, an arrival process and mean lengths."""

    arrivals: ArrivalProcess
    job_count: int
    input_tokens: float  # l_in
    output_tokens: float  # l_out

    def __post_init__(self) -> None:
        require_count(JOBS, job_count=self.job_count)
        float_vector("input_tokens", [self.input_tokens], minimum=1)
        float_vector("output_tokens", [self.output_tokens], minimum=1)
        require_at_most(TOKENS, input_tokens=self.input_tokens, output_tokens=self.output_tokens)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, input tokens, output tokens - 1)."""
        return 1.0, float(self.input_tokens), self.output_tokens - 1.0

    @property
    def native_rate_per_s(self) -> float | None:
        """Return the rate of the arrival process itself; None if it has none."""
        return self.arrivals.native_rate_per_s

    def cache_tokens(self, limit: int) -> int:
        """Return `limit`, the served model's slot as it is."""
        return limit


@dataclass(frozen=True)
class SyntheticWorkload(MeanLengths):
    """Jobs of equal lengths and random size.

    In the paper's Sec. 3 arrivals are Poisson and size ~ Exp(1). A size multiplies the whole service time of a job, so
    the lengths are the means given in the paper's text. They are used as given: nothing is rounded or cut to the cache
    slot, unlike token counts that are drawn around these means (`workloads.drawn_lengths`).

    Sizes have mean 1 and a standard deviation of `size_cv`: 1 makes them exponential, 0 constant, less than 1 gamma and
    more hyperexponential.

    With `first_at_zero` the first job arrives at time 0, as in the published code. It is not the default, because a
    Poisson process has its first arrival after a gap.
    """

    size_cv: float = 1.0
    first_at_zero: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = f"must be 0 for constant sizes, or at least {1 / CV:g} and at most {CV:,}"
        require(self.size_cv == 0 or 1 / CV <= self.size_cv <= CV, "size_cv", self.size_cv, limits)
        require_boolean(first_at_zero=self.first_at_zero)

    @property
    def prompt_cv(self) -> float:
        """Return the standard deviation of a job's size over its mean."""
        return float(self.size_cv)

    def over_length_share(self, limit: int) -> float:
        """Return 1 if the lengths together exceed `limit`, else 0.

        All jobs have the mean lengths.
        """
        return float(self.input_tokens + self.output_tokens > limit)

    def fitted(self, limit: int) -> "SyntheticWorkload":
        """Return the workload itself: it is defined by its means, which no slot changes."""
        return self

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return `job_count` jobs; `lengths` has shape (1, 2)."""
        require_job_memory(self.job_count)
        size = self._draw_sizes(self.job_count, streams.jobs("sizes"))
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        return jobs_of_sizes(self.arrivals, rate, size, self.mean_job, streams, self.first_at_zero)

    def chunks(self, rate_per_s: float | None, streams: RandomStreams, chunk_jobs: int) -> Iterator[Jobs]:
        """Yield the jobs in chunks of `chunk_jobs`; arrival times continue across chunks.

        So any number of jobs can be drawn in little memory. With Poisson arrivals and exponential sizes the jobs equal
        those of `jobs` bit for bit. Raises `NotApplicableError` where gaps depend on earlier gaps, because then a chunk
        cannot be drawn on its own.
        """
        if not self.arrivals.renewal:
            raise NotApplicableError(
                f"workload.arrivals = {type(self.arrivals).__name__}: gaps that depend on each other cannot be drawn "
                "in chunks; use evaluator=simulation"
            )
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        gaps, sizes, choices = (streams.jobs(name) for name in ("arrivals", "sizes", "choices"))
        last_s = 0.0
        for first in range(0, self.job_count, chunk_jobs):
            count = min(chunk_jobs, self.job_count - first)
            gap_s = self.arrivals.gaps_s(rate, count, gaps)
            if self.first_at_zero and first == 0:
                gap_s[0] = 0.0
            gap_s[0] += last_s
            arrival_s = np.cumsum(gap_s)
            size = self._draw_sizes(count, sizes)
            yield Jobs(arrival_s, size, np.array([self.mean_job[1:]]), choices.random(count))
            last_s = arrival_s[-1]

    def _draw_sizes(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return (count,) sizes of mean 1."""
        return renewal_of_cv(self.size_cv).gaps_s(1.0, count, rng) if self.size_cv else np.ones(count)


def is_poisson_exponential(workload: Workload) -> bool:
    """Return whether the theory holds for the jobs (paper Sec. 3)."""
    if not isinstance(workload, SyntheticWorkload):
        return False
    return isinstance(workload.arrivals, Poisson) and workload.size_cv == 1


def jobs_of_sizes(
    arrivals: ArrivalProcess,
    rate_per_s: float,
    size: NDArray[np.float64],
    mean_job: tuple[float, float, float],
    streams: RandomStreams,
    first_at_zero: bool = False,
) -> Jobs:
    """Return jobs with these sizes and arrival rate, and the mean job's lengths.

    With `first_at_zero` the first gap is 0.
    """
    gaps_s = arrivals.gaps_s(rate_per_s, size.size, streams.jobs("arrivals"))
    if first_at_zero:
        gaps_s[0] = 0.0
    return Jobs(np.cumsum(gaps_s), size, np.array([mean_job[1:]]), streams.jobs("choices").random(size.size))


@dataclass(frozen=True)
class QuantileTable:
    """A distribution of token counts, given by points of its quantile function.

    The function is linear between the points.
    """

    probabilities: tuple[float, ...]  # from 0 to 1, ascending
    tokens: tuple[float, ...]

    def __post_init__(self) -> None:
        probabilities = float_vector("probabilities", self.probabilities)
        tokens = float_vector("tokens", self.tokens, minimum=1)
        count = probabilities.size
        require(
            tokens.size == count > 1,
            "tokens",
            f"array of size {tokens.size}",
            f"give one per probability ({count}), at least 2",
        )
        ascending = bool((np.diff(probabilities) > 0).all()) and probabilities[0] == 0 and probabilities[-1] == 1
        require(ascending, "probabilities", list(self.probabilities), "must ascend from 0 to 1")
        require(bool((np.diff(tokens) >= 0).all()), "tokens", list(self.tokens), "must not descend")
        object.__setattr__(self, "probabilities", tuple(probabilities.tolist()))
        object.__setattr__(self, "tokens", tuple(tokens.tolist()))

    def quantiles(self, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the whole token counts that these shares of the requests do not exceed."""
        return np.rint(np.interp(shares, self.probabilities, self.tokens)).astype(np.int64)


@dataclass(frozen=True)
class CalibratedWorkload:
    """Requests whose lengths have given distributions.

    Input and output lengths are independent. The workload replaces a trace that is not available, and treats over-long
    requests as a trace does.
    """

    arrivals: ArrivalProcess
    job_count: int  # before any are dropped
    input_tokens: QuantileTable
    output_tokens: QuantileTable
    over_length: OverLength = "truncate"
    slot_tokens: int | None = None

    def __post_init__(self) -> None:
        require_count(JOBS, job_count=self.job_count)
        require_treatment(self.over_length)

    @property
    def _population(self) -> Requests:
        return _population(self.input_tokens, self.output_tokens)

    @cached_property
    def _fitted_population(self) -> Requests:
        return fitted(self._population, self.over_length, self.slot_tokens)

    @property
    def _kept_share(self) -> float:
        return len(self._fitted_population) / len(self._population)

    @cached_property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1)."""
        return self._fitted_population.mean_job

    @property
    def prompt_cv(self) -> float:
        """Return the standard deviation of the input tokens over their mean."""
        return self._fitted_population.prompt_cv

    @property
    def native_rate_per_s(self) -> float | None:
        """Return the calibrated rate of the arrival process, less the dropped requests.

        None if the arrival process has no rate of its own.
        """
        native = self.arrivals.native_rate_per_s
        return None if native is None else native * self._kept_share

    def cache_tokens(self, limit: int) -> int:
        """Return `limit`; under `size_to_trace` at least the tokens of the longest request."""
        longest = round(self.input_tokens.tokens[-1] + self.output_tokens.tokens[-1])
        return max(limit, longest) if self.over_length == "size_to_trace" else limit

    def over_length_share(self, limit: int) -> float:
        """Return the share of untreated requests that have more than `limit` tokens.

        Input and output tokens count together.
        """
        return over_length_share(self._population, limit)

    def fitted(self, limit: int) -> "CalibratedWorkload":
        """Return the workload with over-long requests treated for slots of `limit` tokens."""
        return replace(self, slot_tokens=limit)

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return the requests as jobs of size 1; `lengths` has a row for each."""
        require_job_memory(self.job_count)
        rate = rate_or_native(rate_per_s, self.native_rate_per_s) / self._kept_share
        arrival_s = np.cumsum(self.arrivals.gaps_s(rate, self.job_count, streams.jobs("arrivals")))
        rng = streams.jobs("lengths")
        tokens = [table.quantiles(rng.random(self.job_count)) for table in (self.input_tokens, self.output_tokens)]
        requests = fitted(Requests(arrival_s, *tokens), self.over_length, self.slot_tokens)
        count = len(requests)
        return Jobs(requests.arrival_s, np.ones(count), requests.lengths, streams.jobs("choices").random(count))


@cache
def _population(input_tokens: QuantileTable, output_tokens: QuantileTable) -> Requests:
    """Return every pair of equally likely input and output lengths on a grid.

    Means and shares are computed over these pairs.
    """
    inputs = input_tokens.quantiles((np.arange(INPUT_GRID) + 0.5) / INPUT_GRID)
    outputs = output_tokens.quantiles((np.arange(OUTPUT_GRID) + 0.5) / OUTPUT_GRID)
    pairs = [tokens.ravel() for tokens in np.meshgrid(inputs, outputs)]
    return Requests(np.zeros(pairs[0].size), *pairs)
