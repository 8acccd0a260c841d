"""Arrival processes, given as inter-arrival times ("gaps").

There are Poisson, renewal and Markov-modulated Poisson processes. Each draws gaps for a requested rate: their mean is
1/rate, however variable they are.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_at_most, require_not_negative, require_positive
from system.limits import CV

Gaps = NDArray[np.float64]


class ArrivalProcess(Protocol):
    """A source of inter-arrival times."""

    @property
    def native_rate_per_s(self) -> float | None:
        """Return the rate of the process itself; None if it has none."""

    @property
    def renewal(self) -> bool:
        """Return whether gaps are independent of each other."""

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) gaps in seconds, the first from time 0."""


@dataclass(frozen=True)
class Poisson:
    """Exponential gaps, the paper's arrivals (Sec. 3)."""

    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) exponential gaps of mean 1/rate."""
        return rng.standard_exponential(count) / rate_per_s


@dataclass(frozen=True)
class Gamma:
    """Gamma gaps whose standard deviation is `cv` times their mean.

    The shape is 1/cv². For cv < 1 the gaps vary less than a Poisson process's.
    """

    cv: float
    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive(cv=self.cv)
        require(1 / CV <= self.cv <= CV, "cv", self.cv, f"must be at least {1 / CV:g} and at most {CV:,}")

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) gamma gaps of mean 1/rate."""
        return rng.standard_gamma(self.cv**-2, count) * (self.cv**2 / rate_per_s)


@dataclass(frozen=True)
class Hyperexponential:
    """Gaps from two exponential phases with balanced means.

    Balanced means p1/μ1 = p2/μ2, so `cv` alone determines both phases. With cv = 1 the process is Poisson.
    """

    cv: float
    native_rate_per_s: ClassVar[None] = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(1 <= self.cv < np.inf, "cv", self.cv, "must be at least 1; for less variable gaps use Gamma")
        require_at_most(CV, cv=self.cv)

    @property
    def first_share(self) -> float:
        """Return p1, the share of gaps from the phase with the shorter mean.

        p1 = (1 + sqrt((cv² - 1)/(cv² + 1)))/2.
        """
        scv = self.cv**2
        return (1 + float(np.sqrt((scv - 1) / (scv + 1)))) / 2

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) gaps of mean 1/rate; phase i has mean 1/(2 p_i rate)."""
        share = self.first_share
        # 1 - share loses digits at a large cv. The product of the two shares is known without a subtraction.
        other_share = 1 / (2 * share * (self.cv**2 + 1))
        return _two_phase(share, 0.5 / share, 0.5 / other_share, count, rng) / rate_per_s


def renewal_of_cv(cv: float) -> ArrivalProcess:
    """Return independent gaps whose standard deviation is `cv` times their mean.

    They are gamma below 1, exponential at 1 and hyperexponential above.
    """
    return Poisson() if cv == 1 else Gamma(cv) if cv < 1 else Hyperexponential(cv)


@dataclass(frozen=True)
class IdleGaps:
    """Short exponential gaps with an occasional long, idle one.

    A share `long_share` of all gaps is long; their mean is `long_over_mean` times the mean of all gaps. The process
    has a rate of its own if `native_rate_per_s` gives one.
    """

    long_share: float
    long_over_mean: float
    native_rate_per_s: float | None = None
    renewal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(0 < self.long_share < 1, "long_share", self.long_share, "must lie between 0 and 1")
        fits = 1 <= self.long_over_mean < 1 / self.long_share
        limits = f"must be at least 1 and below 1/long_share = {1 / self.long_share:g}"
        require(fits, "long_over_mean", self.long_over_mean, f"{limits}, so that the short gaps have a mean above 0")
        if self.native_rate_per_s is not None:
            require_positive(native_rate_per_s=self.native_rate_per_s)

    @property
    def short_over_mean(self) -> float:
        """Return the mean of the short gaps over the mean of all."""
        return (1 - self.long_share * self.long_over_mean) / (1 - self.long_share)

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) gaps of mean 1/rate."""
        return _two_phase(self.long_share, self.long_over_mean, self.short_over_mean, count, rng) / rate_per_s


@dataclass(frozen=True)
class MarkovModulatedPoisson:
    """Poisson arrivals whose rate alternates between two values (MMPP).

    Each rate is held for an exponential time, a sojourn. The process starts in its stationary state. For a rate other
    than its own, both rates are scaled and the sojourns stay the same.
    """

    rates_per_s: tuple[float, float]
    sojourn_s: tuple[float, float]  # mean time in each state
    renewal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("rates_per_s", "sojourn_s"):
            values = tuple(getattr(self, name))
            require(len(values) == 2, name, list(values), "must be two numbers, one for each state")
            object.__setattr__(self, name, values)
        require_not_negative(**{f"rates_per_s[{i}]": rate for i, rate in enumerate(self.rates_per_s)})
        require_positive(**{f"sojourn_s[{i}]": sojourn for i, sojourn in enumerate(self.sojourn_s)})
        require(
            max(self.rates_per_s) > 0,
            "rates_per_s",
            list(self.rates_per_s),
            "at least one of the two rates must be above 0",
        )

    @property
    def native_rate_per_s(self) -> float:
        """Return the stationary rate.

        It is (a x + b y)/(x + y) for rates a, b and sojourns x, y.
        """
        return float(np.dot(self.rates_per_s, self.sojourn_s) / sum(self.sojourn_s))

    def gaps_s(self, rate_per_s: float, count: int, rng: np.random.Generator) -> Gaps:
        """Return (count,) gaps with the exact distribution of the process.

        A Poisson process of rate 1 is mapped through the inverse of the cumulative rate.
        """
        expected = np.cumsum(rng.standard_exponential(count))
        rates = np.asarray(self.rates_per_s) * (rate_per_s / self.native_rate_per_s)
        end_s, end_expected = self._cumulative_rate(rates, expected[-1], rng)
        return np.diff(np.interp(expected, end_expected, end_s), prepend=0.0)

    def _cumulative_rate(self, rates: Gaps, until: float, rng: np.random.Generator) -> tuple[Gaps, Gaps]:
        """Return the ends of the sojourns in seconds and in expected arrivals.

        Both start at 0 and reach the time by which `until` arrivals are expected.
        """
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
    """Draw (count,) exponential numbers from two phases.

    A `share` of them has mean `mean`, the rest `other_mean`.
    """
    return rng.standard_exponential(count) * np.where(rng.random(count) < share, mean, other_mean)
