"""The lengths of a trace with drawn arrivals: lengths as recorded, gaps of the process, new ones in every run."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from system import InputError, RandomStreams
from system.random_streams import is_deterministic
from workloads.arrivals import Gamma, Poisson
from workloads.datasets import DataSet
from workloads.trace_lengths import TraceLengths
from workloads.traces import TraceWorkload

COUNT = 3000
RATE_PER_S = 2.5


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Return a data set of requests that come in pairs, and whose lengths ascend."""
    seconds = [pair + within for pair in range(COUNT // 2) for within in (0.0, 0.001)]
    rows = [
        f"2023-11-16 {10 + int(s // 3600)}:{int(s % 3600 // 60):02}:{s % 60:010.7f},{100 + number},{2 + number % 7}"
        for number, s in enumerate(seconds)
    ]
    content = "\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]).encode()
    (tmp_path / "pairs.csv").write_bytes(content)
    monkeypatch.setenv("CHAIN_DATA", str(tmp_path))
    return DataSet("pairs", "pairs.csv", "https://localhost/pairs.csv", hashlib.sha256(content).hexdigest(), "", "me")


def test_lengths_are_those_of_the_trace_in_its_order(recorded):
    own = TraceLengths(dataset=recorded, arrivals=Poisson(), over_length="untreated")
    as_recorded = TraceWorkload(recorded, over_length="untreated")
    for rate_per_s in (None, 1.0):
        jobs = own.jobs(rate_per_s, RandomStreams(1))
        np.testing.assert_array_equal(jobs.lengths, as_recorded.jobs(None, RandomStreams(1)).lengths)
        np.testing.assert_array_equal(jobs.size, np.ones(COUNT))
    assert own.mean_job == as_recorded.mean_job


def test_gaps_are_exponential_at_the_given_rate(recorded):
    jobs = TraceLengths(dataset=recorded, arrivals=Poisson()).jobs(RATE_PER_S, RandomStreams(2))
    gaps_s = np.diff(jobs.arrival_s, prepend=0.0)
    assert stats.kstest(gaps_s * RATE_PER_S, "expon").pvalue > 0.001
    recorded_gaps_s = np.diff(TraceWorkload(recorded).jobs(RATE_PER_S, RandomStreams(2)).arrival_s)
    assert stats.kstest(recorded_gaps_s * RATE_PER_S, "expon").pvalue < 1e-6  # they come in pairs


def test_any_arrival_process_can_be_given(recorded):
    jobs = TraceLengths(dataset=recorded, arrivals=Gamma(cv=0.1)).jobs(RATE_PER_S, RandomStreams(3))
    gaps_s = np.diff(jobs.arrival_s)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * COUNT))


def test_without_a_rate_the_gaps_have_that_of_the_trace(recorded):
    own = TraceLengths(dataset=recorded, arrivals=Poisson())
    assert own.native_rate_per_s == TraceWorkload(recorded).native_rate_per_s
    gaps_s = np.diff(own.jobs(None, RandomStreams(4)).arrival_s, prepend=0.0)
    assert gaps_s.mean() * own.native_rate_per_s == pytest.approx(1, abs=4 / np.sqrt(COUNT))


def test_draws_and_replications_have_their_own_arrivals(recorded):
    own = TraceLengths(dataset=recorded, arrivals=Poisson(), first=100)
    assert not is_deterministic(own)
    first, *others = [own.jobs(1.0, RandomStreams(5, *numbers)).arrival_s for numbers in ((0, 0), (0, 1), (1, 0))]
    assert all(not np.isin(first, other).any() for other in others)
    np.testing.assert_array_equal(first, own.jobs(1.0, RandomStreams(5, 0, 0)).arrival_s)


def test_over_long_requests_are_treated_and_the_rate_is_that_of_the_kept_ones(recorded):
    kept = TraceLengths(dataset=recorded, arrivals=Poisson(), over_length="drop").fitted(1600)
    jobs = kept.jobs(RATE_PER_S, RandomStreams(6))
    assert len(jobs) == len(kept.requests) < COUNT
    assert len(jobs) / jobs.arrival_s[-1] / RATE_PER_S == pytest.approx(1, abs=4 / np.sqrt(len(jobs)))
    with pytest.raises(InputError, match="rate_per_s"):
        kept.jobs(0.0, RandomStreams(6))
