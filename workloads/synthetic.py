"""Workloads made of random numbers: the paper's exponential model, and one calibrated to published statistics."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import float_vector, require, require_count
from system.streams import Streams
from workloads.arrivals import ArrivalProcess
from workloads.jobs import Jobs
from workloads.workload import rate_or_native

Sizes = Literal["exponential", "constant"]


@dataclass(frozen=True)
class SyntheticWorkload:
    """Jobs of equal lengths and random size (paper Sec. 3: Poisson arrivals, size ~ Exp(1)).

    A size multiplies a job's service time as a whole, so the lengths are the means of the paper's text.
    """

    arrivals: ArrivalProcess
    job_count: int
    input_tokens: float  # l_in
    output_tokens: float  # l_out
    sizes: Sizes = "exponential"

    def __post_init__(self) -> None:
        require_count(job_count=self.job_count)
        float_vector("input_tokens", [self.input_tokens], minimum=1)
        float_vector("output_tokens", [self.output_tokens], minimum=1)
        require(self.sizes in get_args(Sizes), "sizes", self.sizes, f"must be one of {', '.join(get_args(Sizes))}")

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """(1, input tokens, output tokens - 1)."""
        return 1.0, float(self.input_tokens), self.output_tokens - 1.0

    @property
    def native_rate_per_s(self) -> float | None:
        """The rate of the arrival process itself, if it has one."""
        return self.arrivals.native_rate_per_s

    def cache_tokens(self, limit: int) -> int:
        """The served model's slot as it is."""
        return limit

    def fitted(self, limit: int) -> "SyntheticWorkload":
        """The workload itself: it is defined by its means."""
        return self

    def jobs(self, rate_per_s: float | None, streams: Streams) -> Jobs:
        """`job_count` jobs; `lengths` has shape (1, 2)."""
        size = np.ones(self.job_count)
        if self.sizes == "exponential":
            size = streams.jobs("sizes").standard_exponential(self.job_count)
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        return _jobs(self.arrivals, rate, size, np.array([self.mean_job[1:]]), streams)


@dataclass(frozen=True)
class QuantileTable:
    """A distribution of token counts as its quantile function, straight between the points of a table."""

    probabilities: tuple[float, ...]  # from 0 to 1, ascending
    tokens: tuple[float, ...]

    def __post_init__(self) -> None:
        probabilities = float_vector("probabilities", self.probabilities)
        tokens = float_vector("tokens", self.tokens, minimum=1)
        count = probabilities.size
        require(
            tokens.size == count > 1, "tokens", f"{tokens.size} numbers", f"give one for each of {count} (2 or more)"
        )
        ascending = bool((np.diff(probabilities) > 0).all()) and probabilities[0] == 0 and probabilities[-1] == 1
        require(ascending, "probabilities", list(self.probabilities), "must ascend from 0 to 1")
        require(bool((np.diff(tokens) >= 0).all()), "tokens", list(self.tokens), "must not descend")
        object.__setattr__(self, "probabilities", tuple(probabilities.tolist()))
        object.__setattr__(self, "tokens", tuple(tokens.tolist()))

    @property
    def mean(self) -> float:
        """Mean token count."""
        return float(np.trapezoid(self.tokens, self.probabilities))

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(count,) whole token counts."""
        return np.rint(np.interp(rng.random(count), self.probabilities, self.tokens))


@dataclass(frozen=True)
class CalibratedWorkload:
    """Jobs of size 1 with random lengths whose distributions are given; input and output are independent.

    Stands for a trace where the trace itself cannot be had. Lengths are those of the tables, whatever the slot.
    """

    arrivals: ArrivalProcess
    job_count: int
    input_tokens: QuantileTable
    output_tokens: QuantileTable

    def __post_init__(self) -> None:
        require_count(job_count=self.job_count)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """(1, mean input tokens, mean output tokens - 1)."""
        return 1.0, self.input_tokens.mean, self.output_tokens.mean - 1.0

    @property
    def native_rate_per_s(self) -> float | None:
        """The rate to which the arrival process is calibrated, if it is."""
        return self.arrivals.native_rate_per_s

    def cache_tokens(self, limit: int) -> int:
        """The served model's slot as it is."""
        return limit

    def fitted(self, limit: int) -> "CalibratedWorkload":
        """The workload itself: its lengths are what was published."""
        return self

    def jobs(self, rate_per_s: float | None, streams: Streams) -> Jobs:
        """`job_count` jobs; `lengths` has shape (job_count, 2)."""
        rng = streams.jobs("lengths")
        tokens = [table.draw(self.job_count, rng) for table in (self.input_tokens, self.output_tokens)]
        lengths = np.column_stack([tokens[0], tokens[1] - 1])
        rate = rate_or_native(rate_per_s, self.native_rate_per_s)
        return _jobs(self.arrivals, rate, np.ones(self.job_count), lengths, streams)


def _jobs(
    arrivals: ArrivalProcess,
    rate_per_s: float,
    size: NDArray[np.float64],
    lengths: NDArray[np.float64],
    streams: Streams,
) -> Jobs:
    """Jobs of these sizes and lengths that arrive at that rate."""
    arrival_s = np.cumsum(arrivals.gaps_s(rate_per_s, size.size, streams.jobs("arrivals")))
    return Jobs(arrival_s, size, lengths, streams.jobs("choices").random(size.size))
