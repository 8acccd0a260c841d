"""Arrival processes, compared with closed forms computed here.

Tolerances are standard errors over replications.
"""

import numpy as np
import pytest
from scipy import stats

from system import InputError
from workloads.arrivals import Gamma, Hyperexponential, IdleGaps, MarkovModulatedPoisson, Poisson, renewal_of_cv

BURSTY = MarkovModulatedPoisson(rates_per_s=(9.0, 1.0), sojourn_s=(2.0, 6.0))
ON_OFF = MarkovModulatedPoisson(rates_per_s=(0.0, 4.0), sojourn_s=(0.5, 1.5))
RENEWAL = {"poisson": (Poisson(), 1.0), "gamma": (Gamma(2.0), 2.0), "regular": (Gamma(0.4), 0.4)}
RENEWAL |= {"hyperexponential": (Hyperexponential(3.0), 3.0), "exponential": (Hyperexponential(1.0), 1.0)}
RENEWAL |= {f"of cv {cv}": (renewal_of_cv(cv), cv) for cv in (0.4, 1.0, 2.0)}
LIMIT = 4.0  # standard errors: one test in 16,000 fails by chance, and seeds are fixed


def replications(process, rate_per_s, count=4000, runs=200):
    return np.array([process.gaps_s(rate_per_s, count, np.random.default_rng([7, run])) for run in range(runs)])


def z_score(samples, expected):
    """Return the distance of the samples' mean from its expectation, in standard errors.

    The samples are independent.
    """
    return (np.mean(samples) - expected) / (np.std(samples, ddof=1) / np.sqrt(len(samples)))


def markovian_arrivals(process, rate_per_s):
    """Return D0, D1 of the MMPP as a Markovian arrival process."""
    scale = rate_per_s / np.average(process.rates_per_s, weights=process.sojourn_s)
    leave = 1 / np.asarray(process.sojourn_s)
    generator = np.array([[-leave[0], leave[0]], [leave[1], -leave[1]]])
    d1 = np.diag(process.rates_per_s) * scale
    return generator - d1, d1


def gap_moments(d0, d1):
    """Return E[X], E[X²], E[X1 X2] of the gaps from one arrival to the next."""
    inverse = np.linalg.inv(-d0)
    stationary = np.linalg.lstsq(np.vstack([(d0 + d1).T, np.ones(2)]), np.array([0, 0, 1.0]), rcond=None)[0]
    at_arrival = stationary @ d1 / (stationary @ d1).sum()
    second = 2 * at_arrival @ inverse @ inverse
    return (at_arrival @ inverse).sum(), second.sum(), (at_arrival @ inverse @ inverse @ d1 @ inverse).sum()


def limiting_dispersion(d0, d1):
    """Return the limit of Var N(t) / E N(t).

    It is computed from the deviation matrix of the phase.
    """
    generator = d0 + d1
    stationary = np.linalg.lstsq(np.vstack([generator.T, np.ones(2)]), np.array([0, 0, 1.0]), rcond=None)[0]
    rate = (stationary @ d1).sum()
    fundamental = np.linalg.inv(np.outer(np.ones(2), stationary) - generator)
    return 1 + 2 * ((stationary @ d1 @ fundamental @ d1).sum() - rate**2) / rate


@pytest.mark.parametrize("name", RENEWAL)
@pytest.mark.parametrize("rate_per_s", [0.2, 2.0])
def test_renewal_gaps_have_the_given_rate_and_variability(name, rate_per_s):
    process, cv = RENEWAL[name]
    gaps = replications(process, rate_per_s)
    assert abs(z_score(gaps.mean(axis=1), 1 / rate_per_s)) < LIMIT
    assert abs(z_score((gaps**2).mean(axis=1) * rate_per_s**2 - 1, cv**2)) < LIMIT
    assert abs(z_score((gaps[:, 1:] * gaps[:, :-1]).mean(axis=1), rate_per_s**-2)) < LIMIT


@pytest.mark.parametrize("process", [Poisson(), Hyperexponential(1.0), Gamma(1.0), renewal_of_cv(1.0)])
def test_cv_one_is_exponential(process):
    gaps = process.gaps_s(2.0, 20_000, np.random.default_rng(3))
    assert stats.kstest(gaps, stats.expon(scale=0.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("cv", [1.5, 3.0, 13.15])
def test_hyperexponential_means_are_balanced(cv):
    # With p1/μ1 = p2/μ2 and mean 1, μi = 2 p_i. The tail then follows from p1, which follows from cv.
    process = Hyperexponential(cv)
    shares = np.array([process.first_share, 1 - process.first_share])
    assert 2 * (shares / (2 * shares) ** 2).sum() - 1 == pytest.approx(cv**2, rel=1e-9)
    gaps = process.gaps_s(1.0, 400_000, np.random.default_rng(5))
    for x in (0.1, 1.0, 5.0):
        tail = (shares * np.exp(-2 * shares * x)).sum()
        assert abs((gaps > x).mean() - tail) < LIMIT * np.sqrt(tail * (1 - tail) / gaps.size)


def test_idle_gaps_are_two_exponential_phases():
    process = IdleGaps(long_share=0.01, long_over_mean=60.0)
    gaps = replications(process, 2.0)
    short_over_mean = (1 - 0.01 * 60) / 0.99
    scv = 2 * (0.01 * 60**2 + 0.99 * short_over_mean**2) - 1
    assert abs(z_score(gaps.mean(axis=1), 0.5)) < LIMIT
    assert abs(z_score((gaps**2).mean(axis=1) * 4 - 1, scv)) < LIMIT
    tail = 0.01 * np.exp(-10 / 30) + 0.99 * np.exp(-10 / (0.5 * short_over_mean))
    assert abs(z_score((gaps > 10).mean(axis=1), tail)) < LIMIT


@pytest.mark.parametrize("process", [BURSTY, ON_OFF])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_mmpp_gaps_have_the_moments_of_the_markovian_arrival_process(process, scale):
    rate_per_s = scale * process.native_rate_per_s
    mean, second, lagged = gap_moments(*markovian_arrivals(process, rate_per_s))
    assert mean == pytest.approx(1 / rate_per_s)
    # The process starts at a point in time and not at an arrival, which still affects the first gaps.
    gaps = replications(process, rate_per_s)[:, 400:]
    assert abs(z_score(gaps.mean(axis=1), mean)) < LIMIT
    scv = (gaps**2).mean(axis=1) / mean**2 - 1
    assert abs(z_score(scv, second / mean**2 - 1)) < LIMIT
    correlation = ((gaps[:, 1:] * gaps[:, :-1]).mean(axis=1) - mean**2) / (second - mean**2)
    assert abs(z_score(correlation, (lagged - mean**2) / (second - mean**2))) < LIMIT


@pytest.mark.parametrize("process", [BURSTY, ON_OFF])
def test_mmpp_counts_have_the_limiting_index_of_dispersion(process):
    # Windows of 600 s hold more than 75 cycles of the phase, so the index is within 1 % of its limit.
    windows_s, rate_per_s = 600.0, process.native_rate_per_s
    gaps = replications(process, rate_per_s, count=int(1.4 * rate_per_s * windows_s), runs=4000)
    arrivals = np.cumsum(gaps, axis=1)
    assert arrivals[:, -1].min() > windows_s
    counts = (arrivals < windows_s).sum(axis=1)
    mean = rate_per_s * windows_s
    assert abs(z_score(counts, mean)) < LIMIT
    limit = limiting_dispersion(*markovian_arrivals(process, rate_per_s))
    scatter = (counts - mean) ** 2 / mean
    assert abs(z_score(scatter, limit)) < LIMIT
    assert limit > 1.5


def test_mmpp_starts_in_its_stationary_state():
    slow = MarkovModulatedPoisson(rates_per_s=(100.0, 1.0), sojourn_s=(1e6, 3e6))
    first = np.array(
        [slow.gaps_s(slow.native_rate_per_s, 50, np.random.default_rng([1, i])).mean() for i in range(800)]
    )
    assert abs(z_score(first < 0.1, 0.25)) < LIMIT


def test_mmpp_native_rate_is_the_stationary_rate():
    assert BURSTY.native_rate_per_s == pytest.approx((9 * 2 + 1 * 6) / 8)
    assert Poisson().native_rate_per_s is None


@pytest.mark.parametrize("process", [Poisson(), Gamma(2.0), Hyperexponential(2.0), IdleGaps(0.01, 60.0), BURSTY])
def test_gaps_are_positive_and_follow_from_the_seed(process):
    first, again, other = (process.gaps_s(1.0, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (100,)
    assert (first > 0).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hyperexponential(0.5), r"cv = 0.5: .*Gamma"),
        (lambda: Hyperexponential(float("nan")), r"cv = nan"),
        (lambda: Gamma(0.0), r"cv = 0.0: must be a finite number above 0"),
        (lambda: IdleGaps(1.5, 2.0), r"long_share = 1.5"),
        (lambda: IdleGaps(0.01, 100.0), r"long_over_mean = 100.0: .*below 1/long_share = 100"),
        (lambda: MarkovModulatedPoisson((0.0, 0.0), (1.0, 1.0)), r"rates_per_s = \[0.0, 0.0\]"),
        (lambda: MarkovModulatedPoisson((1.0, 2.0), (1.0, 0.0)), r"sojourn_s\[1\] = 0.0"),
        (lambda: MarkovModulatedPoisson((1.0, 2.0, 3.0), (1.0, 1.0)), r"rates_per_s = .*must be two numbers"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
