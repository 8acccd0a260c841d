"""Arrival processes as inter-arrival times ("gaps"): Poisson, renewal processes, a Markov-modulated Poisson process.

Each is asked for a rate, and its gaps have that rate in the mean whatever their variability.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_not_negative, require_positive

Gaps = NDArray[np.float64]


class ArrivalProcess(Protocol):
    """A source of inter-arrival times."""

    @property
    def native_rate_per_s(self) -> float | None:
        """The rate of the process itself, None if it has none."""

    @property
    def renewal(self) -> bool:
        """Whether gaps are independent of each other."""

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) seconds before each arrival, the first counted from time 0."""


@dataclass(frozen=True)
class Poisson:
    """Exponential gaps: the paper's arrivals (Sec. 3)."""

    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) exponential gaps of mean 1/rate."""
        return rng.standard_exponential(count) / rate_per_s


@dataclass(frozen=True)
class Gamma:
    """Gamma gaps with standard deviation `cv` times the mean: shape 1/cv², smoother than Poisson for cv < 1."""

    cv: float
    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive(cv=self.cv)

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) gamma gaps of mean 1/rate."""
        return rng.standard_gamma(self.cv**-2, count) * (self.cv**2 / rate_per_s)


@dataclass(frozen=True)
class Hyperexponential:
    """Two exponential phases with balanced means, p1/μ1 = p2/μ2, so that `cv` alone settles them; cv 1 is Poisson."""

    cv: float
    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(1 <= self.cv < np.inf, "cv", self.cv, "must be at least 1; for gaps less variable than that use Gamma")

    @property
    def first_share(self) -> float:
        """p1, the share of gaps from the phase with the shorter mean: p1 = (1 + sqrt((cv² - 1)/(cv² + 1)))/2."""
        scv = self.cv**2
        return (1 + float(np.sqrt((scv - 1) / (scv + 1)))) / 2

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) gaps of mean 1/rate; phase i has mean 1/(2 p_i rate)."""
        share = self.first_share
        # 1 - share loses digits at a large cv; the product of the shares is known without a difference.
        other_share = 1 / (2 * share * (self.cv**2 + 1))
        return _two_phase(share, 0.5 / share, 0.5 / other_share, count, rng) / rate_per_s


@dataclass(frozen=True)
class IdleGaps:
    """Two exponential phases: now and then a long gap in which nothing comes, short ones between.

    A share `long_share` of all gaps is long, with mean `long_over_mean` times the mean of all. The process has a
    rate of its own where `native_rate_per_s` says so.
    """

    long_share: float
    long_over_mean: float
    native_rate_per_s: float | None = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(0 < self.long_share < 1, "long_share", self.long_share, "must lie between 0 and 1")
        fits = 1 <= self.long_over_mean < 1 / self.long_share
        remedy = f"must be at least 1 and below 1/long_share = {1 / self.long_share:g}, or nothing is left to the rest"
        require(fits, "long_over_mean", self.long_over_mean, remedy)
        if self.native_rate_per_s is not None:
            require_positive(native_rate_per_s=self.native_rate_per_s)

    @property
    def short_over_mean(self) -> float:
        """Mean of the short gaps over the mean of all."""
        return (1 - self.long_share * self.long_over_mean) / (1 - self.long_share)

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) gaps of mean 1/rate."""
        return _two_phase(self.long_share, self.long_over_mean, self.short_over_mean, count, rng) / rate_per_s


@dataclass(frozen=True)
class MarkovModulatedPoisson:
    """Poisson arrivals whose rate alternates between two values, each held for an exponential time (MMPP).

    It starts in its stationary state. Asked for another rate than its own, both rates are scaled and the sojourns stay.
    """

    rates_per_s: tuple[float, float]
    sojourn_s: tuple[float, float]  # mean time in each state
    renewal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("rates_per_s", "sojourn_s"):
            values = tuple(getattr(self, name))
            require(len(values) == 2, name, list(values), "give two numbers, one for each state")
            object.__setattr__(self, name, values)
        require_not_negative(**{f"rates_per_s[{i}]": rate for i, rate in enumerate(self.rates_per_s)})
        require_positive(**{f"sojourn_s[{i}]": sojourn for i, sojourn in enumerate(self.sojourn_s)})
        require(max(self.rates_per_s) > 0, "rates_per_s", list(self.rates_per_s), "one of the two must be above 0")

    @property
    def native_rate_per_s(self) -> float:
        """The stationary rate (a x + b y)/(x + y) of rates a, b and sojourns x, y."""
        return float(np.dot(self.rates_per_s, self.sojourn_s) / sum(self.sojourn_s))

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """(count,) gaps, exact: a Poisson process of rate 1 seen through the inverse of the cumulative rate."""
        expected = np.cumsum(rng.standard_exponential(count))
        rates = np.asarray(self.rates_per_s) * (rate_per_s / self.native_rate_per_s)
        end_s, end_expected = self._cumulative_rate(rates, expected[-1], rng)
        return np.diff(np.interp(expected, end_expected, end_s), prepend=0.0)

    def _cumulative_rate(self, rates: Gaps, until: float, rng: np.random.Generator) -> tuple[Gaps, Gaps]:
        """Ends of the sojourns in seconds and in expected arrivals, both from 0 to where `until` are expected."""
        start = int(rng.random() * sum(self.sojourn_s) >= self.sojourn_s[0])
        order = [start, 1 - start]
        sojourn_s, cycle_rates = np.asarray(self.sojourn_s)[order], rates[order]
        cycles: list[Gaps] = [np.zeros((1, 2))]
        reached, per_cycle = 0.0, float(sojourn_s @ cycle_rates)
        while reached <= until:
            cycles.append(rng.standard_exponential((int((until - reached) / per_cycle) + 1, 2)) * sojourn_s)
            reached += float((cycles[-1] @ cycle_rates).sum())
        lengths_s = np.concatenate(cycles)
        return np.cumsum(lengths_s), np.cumsum(lengths_s * cycle_rates)


def _two_phase(share: float, mean: float, other_mean: float, count: int, rng: np.random.Generator) -> Gaps:
    """(count,) exponential numbers, a `share` of them with one mean and the rest with the other."""
    return rng.standard_exponential(count) * np.where(rng.random(count) < share, mean, other_mean)
