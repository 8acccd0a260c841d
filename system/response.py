"""Response times, the common result of theory, simulation and real runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require
from system.intervals import BATCHES, half_width_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Time = Literal["response", "waiting", "service", "first_token", "output_token"]
TIMES: tuple[Time, ...] = get_args(Time)
Limits = Mapping[Time, float]  # seconds that times must not exceed, all at once

WARM_UP = 0.1  # default share of the jobs that is left out at the beginning


class ByChain(NamedTuple):
    """The share of the jobs that each of K chains serves, and their mean service time (NaN without jobs)."""

    share: Floats  # (K,)
    mean_service_s: Floats  # (K,)

    def busy(self, rate_per_s: float) -> Floats:
        """Return (K,) the mean numbers of jobs in service, by Little's law."""
        return rate_per_s * np.where(self.share > 0, self.share * self.mean_service_s, 0.0)


class ResponseTimes(Protocol):
    """Statistics of the jobs' times in seconds; `TIMES` lists the kinds of time. Unknown values are NaN."""

    def mean_s(self, time: Time) -> float:
        """Return the mean time of the jobs."""

    def quantile_s(self, time: Time, q: float) -> float:
        """Return the time that a share `q` of the jobs does not exceed."""

    def share_above(self, time: Time, limit_s: float) -> float:
        """Return the share of the jobs whose time is above the limit."""

    def share_within(self, limits: Limits) -> float:
        """Return the share of the jobs that keep to all limits at once.

        A job without tokens after the first keeps to every limit on `output_token`. Raises `NotApplicableError` where
        the joint law of several times is unknown.
        """

    def half_width_s(self, time: Time, q: float | None = None, confidence: float = 0.95) -> float:
        """Return the half-width of the confidence interval of the mean, or of quantile `q`.

        It is 0 for exact values.
        """

    @property
    def by_chain(self) -> ByChain | None:
        """Return the share and mean service time of each chain.

        It is None for layouts without chains, and for real runs, whose records name the chain of each job.
        """


@dataclass(frozen=True)
class JobTimes:
    """The times of n jobs in order of arrival, simulated or measured.

    The `output_token_s` of a job without tokens after the first is NaN, except under equation (2), where the time of
    such a token on a chain is known even if the job has none. Confidence intervals are computed from `BATCHES` batches
    of consecutive jobs. They are too narrow if there are fewer jobs than the queue needs to forget its state.
    """

    arrival_s: Floats
    waiting_s: Floats
    service_s: Floats
    first_token_s: Floats  # from arrival
    output_token_s: Floats  # decoding time over the tokens after the first, for a size of 1
    chain: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # the chain of each job; empty without chains
    chain_count: int = 0
    parts: Mapping[str, Floats] = field(default_factory=dict)  # parts of the service time, if they are known

    @property
    def response_s(self) -> Floats:
        """Return the response times: waiting and service time together."""
        return self.waiting_s + self.service_s

    def after_warm_up(self, share: float = WARM_UP) -> Self:
        """Return the times without the first `share` of the jobs."""
        require(0 <= share < 1, "warm_up", share, "must be a share of the jobs, at least 0 and below 1")
        return self.of_jobs(slice(int(self.arrival_s.size * share), None))

    def of_jobs(self, chosen: slice | NDArray[np.bool_]) -> Self:
        """Return the times of the chosen jobs."""
        names = ("arrival_s", "waiting_s", "service_s", "first_token_s", "output_token_s")
        columns = {name: getattr(self, name)[chosen] for name in names}
        chain = self.chain[chosen] if self.chain.size else self.chain
        parts = {name: values[chosen] for name, values in self.parts.items()}
        return replace(self, **columns, chain=chain, parts=parts)

    def mean_s(self, time: Time) -> float:
        """Return the mean time of the jobs; NaN without such jobs."""
        values = self._values(time)
        return float(values.mean()) if values.size else np.nan

    def quantile_s(self, time: Time, q: float) -> float:
        """Return the time that a share `q` of the jobs does not exceed."""
        return float(np.quantile(self._values(time), q))

    def share_above(self, time: Time, limit_s: float) -> float:
        """Return the share of the jobs whose time is above the limit."""
        return float(np.mean(self._values(time) > limit_s))

    def share_within(self, limits: Limits) -> float:
        """Return the share of the jobs that keep to all limits at once."""
        return float(np.mean(self.keeps_to(limits)))

    def keeps_to(self, limits: Limits) -> NDArray[np.bool_]:
        """Return (n,) whether each job keeps to all limits.

        A job without tokens after the first keeps to every limit on `output_token`.
        """
        kept = np.ones(self.arrival_s.size, np.bool_)
        for time, limit_s in limits.items():
            kept &= ~(getattr(self, f"{time}_s") > limit_s)
        return kept

    def half_width_s(self, time: Time, q: float | None = None, confidence: float = 0.95) -> float:
        """Return the half-width of the confidence interval of the mean, or of quantile `q`.

        Raises `InputError` if there are fewer than two jobs for each batch.
        """
        values = self._values(time)
        require(values.size >= 2 * BATCHES, "requests", values.size, f"give at least {2 * BATCHES} for an interval")
        batches = np.array_split(values, BATCHES)
        return half_width_of([batch.mean() if q is None else np.quantile(batch, q) for batch in batches], confidence)

    @property
    def by_chain(self) -> ByChain | None:
        """Return the share and mean service time of each chain; None without chains."""
        if self.chain_count == 0:
            return None
        jobs = np.bincount(self.chain, minlength=self.chain_count)
        with np.errstate(invalid="ignore"):
            mean_service_s = np.bincount(self.chain, self.service_s, minlength=self.chain_count) / jobs
        return ByChain(jobs / max(self.chain.size, 1), mean_service_s)

    def _values(self, time: Time) -> Floats:
        """Return this kind of time for all jobs that have it."""
        values: Floats = getattr(self, f"{time}_s")
        return values[~np.isnan(values)] if time == "output_token" else values


@dataclass(frozen=True)
class Run:
    """The results of running a set of jobs on simulated or real servers."""

    times: JobTimes
    utilisation: Floats | None = None  # (J,) share of the run in which each server computed; None if unknown
