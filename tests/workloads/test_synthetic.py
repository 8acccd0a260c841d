"""Synthetic workloads: the paper's exponential model and the one calibrated to the Azure code trace."""

from functools import cache

import numpy as np
import pytest
from hydra.utils import instantiate

from system import InputError, RandomStreams
from tests.support.project import case_of
from workloads.arrivals import MarkovModulatedPoisson, Poisson
from workloads.preflight import preflight_facts
from workloads.synthetic import CalibratedWorkload, QuantileTable, SyntheticWorkload

SYNTHETIC = ["poisson_exponential", "gamma", "hyperexponential", "mmpp", "synthetic_code", "synthetic_code_poisson"]
LIMIT = 4.0  # standard errors


@cache
def configuration(name):
    """Return the configuration of a workload, with the files that its own builds on."""
    return case_of(f"workload={name}")["workload"]


def configured(name, **changes):
    return instantiate(configuration(name), **changes)


def exponential(**changes):
    return SyntheticWorkload(
        **{"arrivals": Poisson(), "job_count": 500, "input_tokens": 2000, "output_tokens": 20} | changes
    )


def z_score(samples, expected):
    return (np.mean(samples) - expected) / (np.std(samples, ddof=1) / np.sqrt(len(samples)))


@pytest.mark.parametrize("name", SYNTHETIC)
def test_each_configuration_makes_jobs(name):
    workload = configured(name, job_count=50)
    jobs = workload.jobs(2.0, RandomStreams(seed=1))
    assert len(jobs) == 50
    assert (np.diff(jobs.arrival_s) > 0).all()
    assert jobs.size.shape == jobs.uniform.shape == (50,)
    assert jobs.lengths.shape in {(1, 2), (50, 2)}
    assert len(workload.fitted(2048).jobs(2.0, RandomStreams(seed=1))) == 50
    assert workload.cache_tokens(2048) == 2048


@pytest.mark.parametrize("cv", [0.25, 0.5, 1, 1.5, 4])
def test_sizes_have_mean_one_and_the_stated_variation(cv):
    sizes = exponential(job_count=200_000, size_cv=cv).jobs(1.0, RandomStreams(3)).size
    assert abs(z_score(sizes, 1.0)) < LIMIT
    assert abs(z_score(sizes**2, 1 + cv**2)) < LIMIT


def test_sizes_are_exponential_by_default_and_may_be_constant():
    sizes = exponential(job_count=200_000).jobs(1.0, RandomStreams(3)).size
    assert abs(z_score(sizes > 1, np.exp(-1))) < LIMIT
    assert abs(z_score(sizes > 3, np.exp(-3))) < LIMIT
    assert (exponential(size_cv=0).jobs(1.0, RandomStreams(3)).size == 1).all()


@pytest.mark.parametrize("cv", [0, 0.5, 1, 3])
def test_sizes_in_chunks_have_the_same_law(cv):
    workload = exponential(job_count=100_000, size_cv=cv)
    sizes = np.concatenate([chunk.size for chunk in workload.chunks(1.0, RandomStreams(3), 7_000)])
    assert sizes.size == 100_000
    assert sizes.mean() == pytest.approx(1, abs=LIMIT * cv / np.sqrt(sizes.size))
    assert cv == 0 or abs(z_score((sizes - 1) ** 2, cv**2)) < LIMIT


def test_all_jobs_have_the_mean_lengths():
    workload = exponential()
    assert workload.mean_job == (1.0, 2000.0, 19.0)
    np.testing.assert_array_equal(workload.jobs(1.0, RandomStreams(3)).lengths, [[2000, 19]])


def test_the_first_job_may_arrive_at_time_zero_and_nothing_else_changes():
    usual, shifted = exponential().jobs(2.0, RandomStreams(3)), exponential(first_at_zero=True)
    jobs = shifted.jobs(2.0, RandomStreams(3))
    assert jobs.arrival_s[0] == 0 < usual.arrival_s[0]
    np.testing.assert_allclose(np.diff(jobs.arrival_s), np.diff(usual.arrival_s))
    np.testing.assert_array_equal(jobs.size, usual.size)
    chunks = [chunk.arrival_s for chunk in shifted.chunks(2.0, RandomStreams(3), 150)]
    np.testing.assert_array_equal(np.concatenate(chunks), jobs.arrival_s)


def test_random_streams_are_independent():
    # Comparisons stay paired: another kind of size, or another rate, changes nothing else.
    jobs, other = exponential().jobs(1.0, RandomStreams(3)), exponential(size_cv=0.5).jobs(2.0, RandomStreams(3))
    np.testing.assert_allclose(jobs.arrival_s, 2 * other.arrival_s)
    np.testing.assert_array_equal(jobs.uniform, other.uniform)
    next_replication = exponential().jobs(1.0, RandomStreams(3, replication=1))
    assert not np.array_equal(jobs.size, next_replication.size)


def test_rate_is_the_native_one_unless_one_is_given():
    mmpp = exponential(arrivals=MarkovModulatedPoisson((0.5, 0.1), (300.0, 900.0)))
    assert mmpp.native_rate_per_s == pytest.approx(0.2)
    own, given = mmpp.jobs(None, RandomStreams(3)), mmpp.jobs(mmpp.native_rate_per_s, RandomStreams(3))
    np.testing.assert_array_equal(own.arrival_s, given.arrival_s)
    assert exponential().native_rate_per_s is None
    with pytest.raises(InputError, match=r"rate_per_s = None: .*no rate of its own"):
        exponential().jobs(None, RandomStreams(3))


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, float("nan"), float("inf")])
def test_invalid_rates_are_refused(rate_per_s):
    with pytest.raises(InputError, match=r"rate_per_s = .*must be a finite number above 0"):
        exponential().jobs(rate_per_s, RandomStreams(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job_count": 0}, "job_count = 0"),
        ({"job_count": 1.5}, "job_count = 1.5"),
        ({"input_tokens": 0}, "input_tokens.* = 0.0: .*at least 1"),
        ({"output_tokens": 0.5}, "output_tokens.* = 0.5: .*at least 1"),
        ({"size_cv": -1}, "size_cv = -1: must be 0 for constant sizes, or at least 0.001 and at most 1,000"),
        ({"size_cv": 1e-4}, "size_cv = 0.0001: must be 0 for constant sizes"),
        ({"size_cv": 1e4}, "size_cv = 10000.0: must be 0 for constant sizes"),
    ],
)
def test_invalid_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        exponential(**changes)


def test_quantile_table_draws_from_its_distribution():
    table = QuantileTable(probabilities=(0, 0.5, 1), tokens=(1, 5, 105))
    drawn = table.quantiles(np.random.default_rng(2).random(100_000))
    assert set(np.unique(drawn)) <= set(range(1, 106))
    assert abs(z_score(drawn, 0.5 * 3 + 0.5 * 55)) < LIMIT
    # Numbers within half a token of 5 are rounded to 5: 0.5 * 0.5/4 of them below the median, 0.5 * 0.5/100 above it.
    assert abs(z_score(drawn <= 5, 0.5 + 0.5 * 0.5 / 100)) < LIMIT


@pytest.mark.parametrize(
    ("probabilities", "tokens", "message"),
    [
        ((0, 1), (1, 2, 3), r"tokens = array of size 3: give one per probability \(2\)"),
        ((0, 0.6, 0.5, 1), (1, 2, 3, 4), "probabilities = .*must ascend from 0 to 1"),
        ((0, 0.9), (1, 2), "probabilities = .*must ascend from 0 to 1"),
        ((0, 1), (2, 1), "tokens = .*must not descend"),
        ((0, 1), (0, 1), r"tokens\[0\] = 0.0"),
    ],
)
def test_invalid_tables_are_refused(probabilities, tokens, message):
    with pytest.raises(InputError, match=message):
        QuantileTable(probabilities, tokens)


# Facts of the Azure code trace, published with it or computed from it, and how near the calibration must come to them.
TRACE_TOKENS = {"input": (2047.8, 1469, 7303), "output": (27.9, 13, 90)}  # mean, median, 95th percentile
CALIBRATION_BAND = 0.05


@pytest.fixture(scope="module")
def code_jobs():
    """Return 400 replications of the calibrated workload at its own rate."""
    workload = configured("synthetic_code")
    assert isinstance(workload, CalibratedWorkload)
    return [workload.jobs(None, RandomStreams(seed=11, replication=i)) for i in range(400)]


@pytest.mark.parametrize(("column", "kind"), [(0, "input"), (1, "output")])
def test_calibrated_lengths_have_the_moments_of_the_trace(code_jobs, column, kind):
    mean, median, p95 = TRACE_TOKENS[kind]
    tokens = np.concatenate([jobs.lengths[:, column] for jobs in code_jobs]) + column  # column 1 is output - 1
    error = LIMIT * tokens.std() / np.sqrt(tokens.size)
    assert abs(tokens.mean() - mean) < error + 0.02 * mean
    assert configured("synthetic_code").mean_job[1 + column] + column == pytest.approx(tokens.mean(), abs=error)
    for share, value in ((0.5, median), (0.95, p95)):
        error = LIMIT * np.sqrt(share * (1 - share) / tokens.size)
        assert (tokens < value).mean() - error <= share <= (tokens <= value).mean() + error


def test_calibrated_arrivals_have_the_rate_and_idle_gaps_of_the_trace(code_jobs):
    looks = [preflight_facts(jobs.arrival_s) for jobs in code_jobs]
    facts = {
        "mean_gap_s": 1 / 2.567,
        "long_gap_count": 45,
        "rate_without_long_gaps_per_s": 8.3,
    }
    for name, fact in facts.items():
        values = np.array([getattr(look, name) for look in looks])
        error = LIMIT * values.std(ddof=1) / np.sqrt(values.size)
        assert abs(values.mean() - fact) < error + CALIBRATION_BAND * fact, name


def test_calibrated_gaps_are_as_variable_as_those_of_the_trace(code_jobs):
    gaps = np.array([np.diff(jobs.arrival_s) for jobs in code_jobs])
    # The second moment is averaged over replications, because the ratio of a single replication is biased.
    second = (gaps**2).mean(axis=1) * 2.567**2 - 1
    cv, error = np.sqrt(second.mean()), LIMIT * second.std(ddof=1) / np.sqrt(second.size) / (2 * np.sqrt(second.mean()))
    assert abs(cv - 13.15) < error + CALIBRATION_BAND * 13.15
    assert error < 0.05 * 13.15


def test_over_long_calibrated_requests_are_treated_like_those_of_a_trace():
    published = configured("synthetic_code", job_count=50_000)
    share = published.over_length_share(2048)
    assert share == pytest.approx(0.382, abs=0.01)  # of the trace
    truncated = published.fitted(2048)
    tokens = truncated.jobs(None, RandomStreams(3)).lengths
    assert (tokens.sum(axis=1) + 1).max() == 2048
    assert abs(z_score(tokens[:, 0], truncated.mean_job[1])) < LIMIT
    assert configured("synthetic_code", over_length="size_to_trace").cache_tokens(2048) == 7437 + 1899
    untreated = configured("synthetic_code", job_count=50_000, over_length="untreated")
    assert untreated.cache_tokens(2048) == 2048
    recorded, run = (source.jobs(None, RandomStreams(3)).lengths for source in (published, untreated.fitted(2048)))
    np.testing.assert_array_equal(run, recorded)


def share_of_each_count(table):
    """Return the probability of 0, 1, 2, ... tokens."""
    ends = np.arange(round(table.tokens[-1]) + 1) + 0.5  # a count is rounded, so it reaches half a token further
    return np.diff(np.interp(ends, table.tokens, table.probabilities), prepend=0.0)


@pytest.mark.parametrize("over_length", ["truncate", "drop", "untreated"])
def test_calibrated_means_are_close_to_those_of_the_whole_law(over_length):
    slot, workload = 2048, configured("synthetic_code", over_length=over_length)
    inputs, outputs = (share_of_each_count(table) for table in (workload.input_tokens, workload.output_tokens))
    prompt, weight = np.arange(inputs.size), 0.0
    sums = np.zeros(2)
    for output, share in enumerate(outputs):
        fits = prompt + output <= slot
        kept = inputs * fits if over_length == "drop" else inputs
        tokens = np.minimum(prompt, slot - output) if over_length == "truncate" else prompt
        sums += share * np.array([kept @ tokens, kept.sum() * (output - 1)])
        weight += share * kept.sum()
    # The means are over a grid of quantiles, whose error matters where a request in 128 more or less is dropped.
    error = 3e-3 if over_length == "drop" else 2e-4
    assert workload.fitted(slot).mean_job[1:] == pytest.approx(sums / weight, rel=error)


def test_dropping_requests_lowers_the_native_rate_but_not_a_given_one():
    dropped = configured("synthetic_code", job_count=50_000, over_length="drop", arrivals=Poisson()).fitted(2048)
    counts = np.array([len(dropped.jobs(2.0, RandomStreams(3, replication=i))) for i in range(20)])
    kept = 1 - dropped.over_length_share(2048)
    assert abs(z_score(counts / 50_000, kept)) < LIMIT
    jobs = [dropped.jobs(2.0, RandomStreams(3, replication=i)) for i in range(20)]
    rates = [preflight_facts(replication.arrival_s).rate_per_s for replication in jobs]
    assert abs(z_score(rates, 2.0)) < LIMIT
    assert configured("synthetic_code", over_length="drop").fitted(2048).native_rate_per_s == pytest.approx(
        2.567 * kept
    )
