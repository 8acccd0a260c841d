"""Statistics of arrival times, compared with values computed by hand and with a Poisson process."""

import numpy as np
import pytest

from sweep.instantiate import evaluate
from system import InputError
from tests.support.project import case_of
from workloads.preflight import empirical_cdf, exponential_distance, preflight_facts
from workloads.synthetic import QuantileTable

LIMIT = 4.0  # standard errors


def test_all_statistics_of_a_small_example_are_as_computed_by_hand():
    # Gaps 1, 2, 12, 1, 4 from a first request at 100 s.
    look = preflight_facts([100, 101, 103, 115, 116, 120], long_gap_s=10.0, window_s=5.0, over_length_share=0.25)
    assert (look.request_count, look.span_s, look.longest_gap_s, look.long_gap_count) == (6, 20.0, 12.0, 1)
    assert look.mean_gap_s == pytest.approx(4.0)
    assert look.rate_per_s == pytest.approx(5 / 20)
    assert look.rate_without_long_gaps_per_s == pytest.approx(4 / 8)
    std = np.sqrt((9 + 4 + 64 + 9 + 0) / 4)
    assert look.std_gap_s == pytest.approx(std)
    assert look.gap_cv == pytest.approx(std / 4)
    # Windows [0, 5), [5, 10), [10, 15), [15, 20) after the first request hold 2, 0, 0 and 2 of the others.
    assert look.index_of_dispersion == pytest.approx((4 / 3) / 1.0)
    assert look.over_length_share == 0.25


def test_a_gap_of_exactly_the_threshold_is_not_long():
    assert preflight_facts([0, 10, 20, 31], long_gap_s=10.0).long_gap_count == 1


def test_statistics_that_cannot_be_computed_are_none():
    look = preflight_facts([0, 20, 50], long_gap_s=10.0, window_s=60.0)
    assert look.rate_without_long_gaps_per_s is None
    assert look.index_of_dispersion is None
    assert look.over_length_share is None


def test_cv_and_index_of_dispersion_are_one_for_a_poisson_process():
    arrival_s = np.cumsum(np.random.default_rng(4).standard_exponential(200_000))
    look = preflight_facts(arrival_s, window_s=50.0)
    windows = int(look.span_s // 50)
    # The variance of the sample variance of a Poisson(m) count is about 2 m²/n + m/n, that of the cv of n exponential
    # gaps 1/n.
    error = np.sqrt((2 + 1 / 50) / windows)
    assert abs(look.index_of_dispersion - 1) < LIMIT * error
    assert abs(look.gap_cv - 1) < LIMIT / np.sqrt(arrival_s.size)


@pytest.mark.parametrize(
    ("arrival_s", "message"),
    [
        ([0, 1], "arrival_s = array of size 2: give at least 3 arrival times"),
        ([0, 2, 1], "arrival_s = times out of order"),
        ([5, 5, 5], "arrival_s = all at one instant"),
        ([0, float("nan"), 2], r"arrival_s\[1\] = nan"),
    ],
)
def test_invalid_arrival_times_are_refused(arrival_s, message):
    with pytest.raises(InputError, match=message):
        preflight_facts(arrival_s)


def test_empirical_cdf_has_a_point_for_every_distinct_value():
    x, share = empirical_cdf([3.0, 1.0, 2.0, 2.0], points=10)
    np.testing.assert_array_equal(x, [1, 2, 3])
    np.testing.assert_array_equal(share, [0.25, 0.75, 1.0])


def test_thinned_empirical_cdf_keeps_both_ends_and_the_shape():
    values = np.random.default_rng(1).random(5001)
    x, share = empirical_cdf(values, points=101)
    assert x.size == share.size == 101
    assert (x[0], x[-1], share[-1]) == (values.min(), values.max(), 1.0)
    for point, expected in zip(x, share, strict=True):
        assert (values <= point).mean() == pytest.approx(expected)
    assert np.diff(share).max() < 1.1 / 100


def test_exponential_distance_is_the_one_computed_by_hand():
    # Two values at 1 are compared with 1 - exp(-x): just below 1 the empirical share is 0, at 1 it is 1.
    assert exponential_distance([1.0, 1.0]) == pytest.approx(1 - np.exp(-1))
    sample = np.random.default_rng(6).standard_exponential(10_000) * 3
    assert exponential_distance(sample) < 1.63 / np.sqrt(10_000)  # 99th percentile of Kolmogorov's distribution


@pytest.mark.parametrize(("values", "message"), [([], r"values = \[\]"), ([0.0, 0.0], "values = all 0")])
def test_samples_without_a_distribution_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        exponential_distance(values)


def test_empirical_cdf_counts_ties_to_the_right():
    x, shares = empirical_cdf([1.0] * 50 + [2.0] * 50, points=5)
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(shares, [0.5, 1])


def test_gaps_evaluator_reports_the_mean_recorded_lengths():
    case = case_of("network=european", "workload=synthetic_code", "demand=native", "evaluator=gaps")
    values = {row.metric: row.value for row in evaluate(case, range(1), range(1)).rows}
    tables = case["workload"]
    for name in ("input_tokens", "output_tokens"):
        table = QuantileTable(**{key: tables[name][key] for key in ("probabilities", "tokens")})
        lengths = table.quantiles((np.arange(100_000) + 0.5) / 100_000)
        error = lengths.std() / np.sqrt(tables["job_count"])
        assert abs(values[f"{name}_mean"] - lengths.mean()) < LIMIT * error  # not truncated to a slot


@pytest.mark.parametrize("rate_per_s", [0.5, 0.001])
def test_the_index_of_dispersion_equals_that_of_all_windows_counted_one_by_one(rate_per_s):
    arrival_s = np.cumsum(np.random.default_rng(12).exponential(1 / rate_per_s, 300))
    after_s = arrival_s - arrival_s[0]
    counts = [((after_s[1:] >= 60 * n) & (after_s[1:] < 60 * (n + 1))).sum() for n in range(int(after_s[-1] // 60))]
    expected = np.var(counts, ddof=1) / np.mean(counts)
    assert preflight_facts(arrival_s).index_of_dispersion == pytest.approx(expected)


def test_a_sparse_trace_of_many_windows_takes_little_memory():
    look = preflight_facts([0.0, 3e10, 6e10, 1e11])  # over a billion windows
    assert look.index_of_dispersion == pytest.approx(1, rel=1e-6)
