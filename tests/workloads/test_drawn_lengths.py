"""Lengths in whole tokens: paired with the exponential model, with the given means, cut to the slot."""

import numpy as np
import pytest

from sweep.instantiate import evaluate
from system import InputError, NotApplicableError, RandomStreams
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.synthetic import SyntheticWorkload

LIMIT = 4.0  # standard errors
MEANS = {"input_tokens": 24, "output_tokens": 8}


def drawn(job_count=100_000, **changes):
    return DrawnLengths(**{"arrivals": Poisson(), "job_count": job_count, **MEANS} | changes)


def test_requests_are_those_of_the_exponential_model_in_whole_tokens():
    for replication in range(3):
        streams = RandomStreams(5, draw=1, replication=replication)
        jobs = drawn().jobs(2.0, streams)
        theory = SyntheticWorkload(Poisson(), 100_000, **MEANS).jobs(2.0, streams)
        assert jobs.arrival_s.tobytes() == theory.arrival_s.tobytes()
        assert jobs.uniform.tobytes() == theory.uniform.tobytes()
        assert (jobs.size == 1).all()
        assert (jobs.lengths == np.rint(jobs.lengths)).all()
        off = jobs.lengths - theory.size[:, None] * theory.lengths
        assert (np.abs(off) <= 0.5)[jobs.lengths[:, 0] > 1].all()
        assert jobs.lengths.min(axis=0).tolist() == [1, 0]  # a prompt has a token, and an output may have no further


def test_lengths_have_the_given_means():
    lengths = drawn().jobs(2.0, RandomStreams(5)).lengths
    for column, mean in enumerate((24, 7)):
        # A rounded exponential of mean m has mean 1/(2 sinh(1/(2m))); a prompt of 0 tokens becomes one of 1.
        expected = 1 / (2 * np.sinh(1 / (2 * mean))) + (column == 0) * -np.expm1(-0.5 / mean)
        error = LIMIT * lengths[:, column].std() / np.sqrt(len(lengths))
        assert lengths[:, column].mean() == pytest.approx(expected, abs=error)
    assert drawn().mean_job == drawn().fitted(40).mean_job == (1.0, 24.0, 7.0)


@pytest.mark.parametrize("means", [(24, 8), (1, 1), (3, 40), (0.5 + 1, 1.25)])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50, 200])
def test_share_of_over_long_requests_is_exact(means, limit):
    workload = drawn(input_tokens=means[0], output_tokens=means[1])
    total = workload.jobs(1.0, RandomStreams(7)).lengths.sum(axis=1) + 1
    share = workload.over_length_share(limit)
    error = LIMIT * np.sqrt(share * (1 - share) / total.size) + LIMIT / total.size
    assert (total > limit).mean() == pytest.approx(share, abs=error)


def test_requests_are_cut_exactly_to_the_slot():
    whole, cut = (workload.jobs(1.0, RandomStreams(7)).lengths for workload in (drawn(), drawn().fitted(40)))
    total = whole.sum(axis=1) + 1
    assert (cut.sum(axis=1) + 1 == np.minimum(total, 40)).all()
    assert (cut >= [1, 0]).all()
    assert (cut[total <= 40] == whole[total <= 40]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job_count": 0}, "job_count = 0"),
        ({"input_tokens": 0.5}, r"input_tokens\[0\] = 0.5"),
        ({"output_tokens": 0}, r"output_tokens\[0\] = 0.0"),
    ],
)
def test_invalid_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        drawn(**changes)


REAL = ("experiment=real_vs_predicted", "workload.job_count=4000", "demand.load=0.6", "tuning.capacity=3")


def test_theory_refuses_drawn_lengths_but_holds_for_the_paired_exponential_model():
    with pytest.raises(NotApplicableError, match="Poisson arrivals, exponential sizes"):
        evaluate(case_of(*REAL, "evaluator=exact"), range(1), range(1))
    exact = case_of(*REAL, "workload=poisson_exponential", "evaluator=exact")
    simulated = case_of(*REAL, "evaluator=simulation")
    theory, lengths = (_means(evaluate(case, range(8), range(1)).rows) for case in (exact, simulated))
    assert lengths["load"] == pytest.approx(theory["load"])  # the same chains and the same rate
    # Rounding moves the mean of a length by at most .5 token, and the mean of 3600 jobs per draw has its own error.
    error = LIMIT / np.sqrt(8 * 3600) + 0.01
    assert lengths["service_mean_s"] == pytest.approx(theory["service_mean_s"], rel=error)


def _means(rows):
    names = {row.metric for row in rows if np.isnan(row.at)}
    return {name: np.mean([row.value for row in rows if row.metric == name]) for name in names}
