"""The response times of the exact theory: means, tails, percentiles and shares of chains.

Jobs that start at once are the same under every policy here. How long the others wait is the policy's (`Waits`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system.checks import float_vector, is_finite_number, require, require_not_negative
from system.limits import SMALLEST

Floats = NDArray[np.float64]


class Waits(Protocol):
    """The waiting times of all jobs, 0 for those that start at once."""

    @property
    def mean_s(self) -> float:
        """Return the mean waiting time."""

    def tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""

    def quantile_s(self, q: float) -> float:
        """Return the waiting time at the quantile `q`."""

    def stage_tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Return P(a job waits, and wait + stage > `time_s`).

        The stage after the wait is exponential with the chain's entry of `stage_rate_per_s` (K,).
        """


@dataclass(frozen=True)
class ExponentialWaits:
    """Waits of JFFC: those who wait do so for Exp(ν - λ), whatever their chain."""

    probability: float
    spare_rate_per_s: float  # ν - λ
    by_chain: Floats  # (K,) share of all jobs that wait and then run on each chain

    @property
    def mean_s(self) -> float:
        """Return the mean waiting time."""
        return self.probability / self.spare_rate_per_s

    def tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        return self.probability * float(np.exp(-self.spare_rate_per_s * time_s))

    def quantile_s(self, q: float) -> float:
        """Return the waiting time at the quantile `q`."""
        return float(np.log(self.probability / (1 - q))) / self.spare_rate_per_s

    def stage_tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Return P(a job waits, and wait + stage > `time_s`)."""
        return float(self.by_chain @ two_stage_tail(time_s, self.spare_rate_per_s, stage_rate_per_s))


@dataclass(frozen=True)
class ExactResponse:
    """Steady state of JFFC or thresholds with Poisson arrivals and exponential sizes.

    There is one central first-in, first-out queue. Times are in seconds. Under thresholds, percentiles and tails of
    times with a wait raise `NotApplicableError` for systems with too many states to list.
    """

    arrival_rate_per_s: float
    total_rate_per_s: float  # ν
    spare_rate_per_s: float  # ν - λ
    mean_response_s: float
    waiting_probability: float
    chain_shares: Floats  # (K,) share of all jobs served by each chain, in the order given
    relative_error: float  # of the mean, estimated from half as many nodes
    _rate_per_s: Floats = field(repr=False)  # (K,), in the order given
    _capacity: NDArray[np.int64] = field(repr=False)
    _immediate: Floats = field(repr=False)  # (K,) share of all jobs that start on the chain without waiting
    _waits: Waits = field(repr=False)

    @property
    def mean_waiting_s(self) -> float:
        """Return the mean waiting time of all jobs."""
        return self._waits.mean_s

    @property
    def mean_service_s(self) -> float:
        """Return the mean service time."""
        return float(self.chain_shares @ (1 / self._rate_per_s))

    @property
    def utilisation(self) -> Floats:
        """Return (K,) the mean share of a chain's slots that are busy."""
        return self.arrival_rate_per_s * self.chain_shares / (self._rate_per_s * self._capacity)

    def mean_first_token_s(self, first_token_s: ArrayLike) -> float:
        """Return the mean time from arrival to the first output token.

        `first_token_s` (K,) is the mean time on each chain from a job's start to that token.
        """
        return self.mean_waiting_s + float(self.chain_shares @ self._checked_per_chain(first_token_s))

    def tail(self, time_s: float) -> float:
        """Return P(response time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self._tail(time_s, self._rate_per_s)

    def percentile_s(self, q: float) -> float:
        """Return the response time that a share `q` of the jobs does not exceed."""
        return quantile(self.tail, q, self.mean_response_s)

    def waiting_percentile_s(self, q: float) -> float:
        """Return the waiting time that a share `q` of the jobs does not exceed.

        Jobs that start at once have a waiting time of 0.
        """
        _require_share(q)
        return 0.0 if self.waiting_probability <= 1 - q else self._waits.quantile_s(q)

    def waiting_tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return self._waits.tail(time_s)

    def service_percentile_s(self, q: float) -> float:
        """Return the service time that a share `q` of the jobs does not exceed."""
        return quantile(self.service_tail, q, self.mean_service_s)

    def service_tail(self, time_s: float) -> float:
        """Return P(service time > `time_s`)."""
        require_not_negative(time_s=time_s)
        return float(self.chain_shares @ np.exp(-self._rate_per_s * time_s))

    def first_token_percentile_s(self, q: float, first_token_s: ArrayLike) -> float:
        """Return the time to the first token that a share `q` does not exceed.

        `first_token_s` (K,) is as in `mean_first_token_s`.
        """
        mean_s = self.mean_first_token_s(first_token_s)
        rate_per_s = 1 / self._checked_per_chain(first_token_s)
        return quantile(lambda time_s: self._tail(time_s, rate_per_s), q, mean_s)

    def first_token_tail(self, time_s: float, first_token_s: ArrayLike) -> float:
        """Return P(time to the first token > `time_s`).

        `first_token_s` (K,) is as in `mean_first_token_s`.
        """
        require_not_negative(time_s=time_s)
        return self._tail(time_s, 1 / self._checked_per_chain(first_token_s))

    def _checked_per_chain(self, first_token_s: ArrayLike) -> Floats:
        times_s = float_vector("first_token_s", first_token_s, SMALLEST)
        chains, size = self.chain_shares.size, f"array of size {times_s.size}"
        require(times_s.size == chains, "first_token_s", size, f"give {chains}, one per chain")
        return times_s

    def _tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Return P(wait + stage > t).

        The stage after the wait is exponential with the chain's entry of `stage_rate_per_s` (K,).
        """
        immediate = self._immediate @ np.exp(-stage_rate_per_s * time_s)
        return float(immediate + self._waits.stage_tail(time_s, stage_rate_per_s))


def two_stage_tail(time_s: float | Floats, first_rate: float, second_rate: Floats) -> Floats:
    """Return P(Exp(first) + Exp(second) > t), also for nearly or exactly equal rates."""
    slow, fast = np.minimum(first_rate, second_rate), np.maximum(first_rate, second_rate)
    gap = fast - slow
    delay = np.where(gap > 0, -np.expm1(-gap * time_s) / np.where(gap > 0, gap, 1.0), time_s)
    return np.exp(-slow * time_s) * (1 + slow * delay)


def _require_share(q: float) -> None:
    require(is_finite_number(q) and 0 < q < 1, "q", q, "must lie between 0 and 1; the 95th percentile is q = 0.95")


def quantile(tail: Callable[[float], float], q: float, mean_s: float) -> float:
    """Return the time t with tail(t) = 1 - q.

    It is below mean / (1 - q) by Markov's inequality.
    """
    from scipy.optimize import brentq  # loading it takes longer than computing a mean, which does not need it

    _require_share(q)
    if tail(0.0) <= 1 - q:  # q is below rounding errors
        return 0.0
    return float(brentq(lambda time_s: tail(time_s) - (1 - q), 0.0, mean_s / (1 - q), xtol=1e-12 * mean_s, rtol=1e-14))
