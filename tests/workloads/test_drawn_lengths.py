"""Lengths in whole tokens: paired with the exponential model, cut to the slot, with exact means for theory."""

import numpy as np
import pytest

from sweep.instantiate import evaluate
from system import InputError, NotApplicableError, RandomStreams
from tests.support.project import case_of
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths, DrawnMeans
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


# The paper's BLOOM requests in their slot, those of the real runs, no further tokens, and lengths of about a token.
LAWS = [
    ((2000, 20), (2048, 2000, 100, None)),
    ((24, 8), (256, 40, 9, 3, 2, None)),
    ((24, 1), (40, 2, None)),
    ((3, 40), (200, 41, 7, 3, None)),
    ((1, 1), (2, 5, None)),
    ((1.5, 1.25), (2, 3, 6, None)),
]
CASES = [(means, slot) for means, slots in LAWS for slot in slots]


def with_means(means, slot, kind=DrawnLengths, job_count=100_000):
    workload = kind(Poisson(), job_count, *means)
    return workload if slot is None else workload.fitted(slot)


@pytest.mark.parametrize(("means", "slot"), CASES)
def test_means_are_those_of_the_law_integrated_over_the_sizes(means, slot):
    edges = np.linspace(0, 40, 4_000_001)  # the sizes above have a probability of 4e-18
    sizes, shares = (edges[1:] + edges[:-1]) / 2, -np.diff(np.exp(-edges))
    prompt, output = np.maximum(np.rint(sizes * means[0]), 1), np.rint(sizes * (means[1] - 1)) + 1
    if slot is not None:
        output = np.minimum(output, slot - 1)
        prompt = np.minimum(prompt, slot - output)
    expected = shares @ prompt, shares @ (output - 1)
    # A length that steps by a token within an interval is off by a token there, half of it on average.
    error = 1e-5 * max(means)
    assert with_means(means, slot).mean_job == pytest.approx((1.0, *expected), abs=error)


@pytest.mark.parametrize(("means", "slot"), CASES)
def test_drawn_jobs_have_the_means(means, slot):
    workload = with_means(means, slot)
    lengths = workload.jobs(2.0, RandomStreams(5)).lengths
    error = LIMIT * lengths.std(axis=0) / np.sqrt(len(lengths)) + 1e-12
    assert (np.abs(lengths.mean(axis=0) - workload.mean_job[1:]) <= error).all()


def test_a_long_slot_changes_no_mean():
    whole, cut = with_means((2000, 20), None).mean_job, with_means((2000, 20), 100_000).mean_job
    assert cut == pytest.approx(whole, rel=1e-12)
    assert whole[1] == pytest.approx(2000, abs=1e-3)  # rounding moves a long prompt by next to nothing


def test_prompts_of_the_bloom_experiments_lose_a_third_to_their_slot():
    # A size s of uncut mean 2019 is cut at 2048 tokens in all, so E min(2019 s, 2048) = 2019 (1 - exp(-2048/2019)),
    # and the output is not shortened; rounding moves this by less than a token.
    prompt = 2019 * -np.expm1(-2048 / 2019) - 19
    assert with_means((2000, 20), 2048).mean_job[1:] == pytest.approx((prompt, 19), abs=1)
    assert prompt < 0.65 * 2000


def test_a_slot_of_one_token_holds_no_request():
    for workload in (with_means((24, 8), 1), with_means((24, 8), 1, DrawnMeans)):
        with pytest.raises(InputError, match="slot_tokens = 1: a request needs at least 2 tokens"):
            _ = workload.mean_job


@pytest.mark.parametrize(("means", "slot"), CASES)
def test_theory_gets_the_means_of_the_drawn_lengths(means, slot):
    theory, lengths = with_means(means, slot, DrawnMeans), with_means(means, slot)
    assert theory.mean_job == lengths.mean_job
    assert theory.jobs(1.0, RandomStreams(5)).lengths.tolist() == [list(lengths.mean_job[1:])]
    assert theory.over_length_share(40) == lengths.over_length_share(40)


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


def test_means_are_for_exponential_sizes_only():
    with pytest.raises(InputError, match="size_cv = 2: must be 1, as the means are those of exponential sizes"):
        DrawnMeans(Poisson(), 10, **MEANS, size_cv=2)


REAL = ("experiment=real_vs_predicted", "workload.job_count=4000", "demand.load=0.6", "tuning.capacity=3")


def test_theory_refuses_drawn_lengths_but_holds_for_their_means():
    with pytest.raises(NotApplicableError, match="Poisson arrivals, exponential sizes"):
        evaluate(case_of(*REAL, "evaluator=exact"), range(1), range(1))
    exact = case_of(*REAL, "workload=drawn_means", "evaluator=exact")
    simulated = case_of(*REAL, "evaluator=simulation")
    theory, lengths = (_values(evaluate(case, range(8), range(1)).rows) for case in (exact, simulated))
    assert {*lengths["load"]} == {*theory["load"]}  # the same chains and the same rate
    off = np.array(lengths["service_mean_s"]) - theory["service_mean_s"][0]
    assert abs(off.mean()) <= LIMIT * off.std(ddof=1) / np.sqrt(off.size)


def _values(rows):
    names = {row.metric for row in rows if np.isnan(row.at)}
    return {name: [row.value for row in rows if row.metric == name] for name in names}
