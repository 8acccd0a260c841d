"""The fit of a profile, and predictions from it, checked by hand where that is possible."""

import numpy as np
import pytest

from serving.engines.petals.client import PetalsJob, Visit
from serving.engines.petals.comparison import Comparison, Measured, Result, service_s
from serving.engines.petals.prediction import layout_of, predictions
from serving.engines.petals.profile import AloneTimes, fit
from serving.engines.petals.spans import Span
from serving.engines.petals.table import lines
from system import InputError
from system.response import JobTimes
from tests.support.project import command
from workloads.jobs import Jobs

ALONE = AloneTimes(np.array([0.05, 0.0, 0.004]), np.array([0.002, 1e-4, 0.001]), np.array([0.03, 0.0, 0.003]))
SPANS = [Span("a", 0, 2, 100), Span("b", 2, 8, 100)]


def alone_job(alone, blocks, prompt, further):
    """Return a job as it would be measured without noise."""
    ends = np.cumsum(blocks).tolist()
    spans = list(zip([0, *ends], ends, blocks, strict=False))
    first = [(a, b, prompt, alone.visit_s[0] + m * (alone.block_s[0] + alone.block_s[1] * prompt)) for a, b, m in spans]
    token = [(a, b, 1, alone.visit_s[2] + m * alone.block_s[2]) for a, b, m in spans]
    visits = [Visit(*visit) for visit in first + token * further]
    first_s = alone.client_s[0] + sum(visit[3] for visit in first)
    token_s = alone.client_s[2] + sum(visit[3] for visit in token)
    tokens_s = (first_s + token_s * np.arange(further + 1)).tolist()
    return PetalsJob(0.0, 0.0, [7] * (further + 1), tokens_s, visits, [], "")


def jobs_of(arrival_s, lengths):
    return Jobs(np.array(arrival_s), np.ones(len(lengths)), np.array(lengths, float), np.zeros(len(lengths)))


def test_a_fit_gives_back_the_times_that_jobs_were_made_of():
    fitted = fit([alone_job(ALONE, (2, 6), prompt, 9) for prompt in (16, 96, 16)])
    for name in ("visit_s", "block_s", "client_s"):
        np.testing.assert_allclose(getattr(fitted, name), getattr(ALONE, name), rtol=1e-9, atol=1e-12)
    assert fitted.token_s((2, 6)) == pytest.approx(0.003 + 2 * 0.004 + 8 * 0.001)


def test_one_token_of_a_prompt_is_no_further_token():
    fitted = fit([alone_job(ALONE, (2, 6), prompt, 3) for prompt in (1, 50)])
    np.testing.assert_allclose(fitted.block_s, ALONE.block_s, rtol=1e-9)


@pytest.mark.parametrize(("blocks", "prompts"), [((4, 4), (16, 96)), ((2, 6), (16, 16))])
def test_a_profile_that_cannot_tell_overheads_from_blocks_is_refused(blocks, prompts):
    with pytest.raises(InputError, match=r"^profile: servers of \[.*\] blocks and prompts of \[.*\] tokens; overheads"):
        fit([alone_job(ALONE, blocks, prompt, 5) for prompt in prompts])


def test_a_job_alone_takes_the_time_of_equation_2_under_every_model():
    jobs = jobs_of([0.0, 50.0], [[16, 9], [90, 0]])
    by_hand = [alone_job(ALONE, (2, 6), 16, 9).tokens_s[-1], alone_job(ALONE, (2, 6), 90, 0).tokens_s[-1]]
    for name, times in predictions(SPANS, ALONE, jobs, 100).items():
        np.testing.assert_allclose(times.response_s, by_hand, rtol=1e-9, err_msg=name)


def test_a_job_beyond_the_pool_tries_again_after_1_3_7_s():
    """Check by hand: the first job leaves at 4.5 s.

    The third tries at 5 s and overtakes the second, which tries at 7.1 and 15.1 s.
    """
    slow = AloneTimes(np.zeros(3), np.zeros(3), np.array([4.5, 0.0, 0.0]))
    jobs = jobs_of([0.0, 0.1, 2.0], [[10, 0]] * 3)
    times = predictions(SPANS, slow, jobs, 100)["equation (2)"]
    np.testing.assert_allclose(times.waiting_s, [0.0, 15.0, 3.0])


def test_a_pool_is_shared_by_the_blocks_that_sessions_run():
    """Compare with by-hand counts: two fit on all six blocks, four on three."""
    spans = [Span("a", 0, 5, 1000), Span("b", 2, 8, 100)]
    layout = layout_of(spans, ALONE, jobs_of([0.0, 1.0], [[10, 1]] * 2), 50)
    assert layout.slots.tolist() == [100, 12]
    times = predictions(spans, ALONE, jobs_of([0.0, 1e-3, 2e-3, 3e-3, 4e-3], [[10, 30]] * 5), 50)["equation (2)"]
    assert (times.waiting_s > 0).tolist() == [False] * 4 + [True]


def test_queues_of_visits_are_slower_than_queues_of_blocks():
    jobs = Comparison(job_count=60).jobs(8.0)
    spans = Comparison(sessions=10).spans()
    means = [times.mean_s("response") for times in predictions(spans, ALONE, jobs, 136).values()]
    assert means[0] < means[1] < means[2]


def test_loads_are_shares_of_the_rate_of_equation_2():
    """Compare with the mean over the jobs themselves: times are linear in their lengths."""
    comparison = Comparison(job_count=30)
    jobs = comparison.jobs(0.001)
    times = predictions(comparison.spans(), ALONE, jobs, comparison.reserved_tokens)["equation (2)"]
    assert service_s(comparison, ALONE) == pytest.approx(times.mean_s("service"))
    assert jobs.lengths[:, 0].min() >= 16
    assert (jobs.lengths.sum(axis=1) + 1).max() <= comparison.reserved_tokens


def test_the_table_has_each_load_and_the_errors_of_its_predictions():
    def times(*response_s):
        count = len(response_s)
        return JobTimes(np.zeros(count), np.zeros(count), np.array(response_s), np.full(count, 0.25), np.ones(count))

    measured = Measured(
        0.4, 1.5, [], times(2.0, 4.0), {"equation (2)": times(1.0, 2.0), "step queues": times(3.0, 3.3)}
    )
    text = list(lines(Comparison(job_count=2), Result(ALONE, [0.02, 0.025], [measured])))
    assert text[0] == "2 jobs a load on servers of 2 > 6 blocks, 3 sessions each"
    assert "20.0, 25.0 ms a token" in text[1]
    assert text[-3] == "| 0.4 | 1.50 | measured | 3.00 | 3.90 | 0.25 | 0.00 |"
    assert text[-2] == "| | | equation (2) (-50 %) | 1.50 | 1.95 | 0.25 | 0.00 |"
    assert "step queues (+5 %)" in text[-1]
    assert {line.count("|") for line in text[4:]} == {8}


def test_the_command_says_in_one_sentence_that_petals_is_missing(tmp_path):
    done = command("-m", "serving.engines.petals", "--python", "/nowhere", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "petals.python = /nowhere: there is no such file; run make petals" in done.stderr
    assert "Traceback" not in done.stderr
