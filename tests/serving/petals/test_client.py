"""The lines of JSON between this project and PETALS' client, with a stand-in for PETALS."""

import os
import signal

import numpy as np
import pytest

from serving.engines.petals.client import job_times, random_prompts, reach
from system import InputError
from tests.serving.petals.fake import fake_python
from workloads.jobs import Jobs

REACH = {"initial_peers": ["/ip4/127.0.0.1/tcp/1/p2p/Qm"], "dht_prefix": "chains"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return fake_python(tmp_path_factory.mktemp("petals"))


def jobs_of(arrival_s, lengths):
    return Jobs(np.array(arrival_s), np.ones(len(lengths)), np.array(lengths), np.zeros(len(lengths)))


def served(python, folder, jobs, silence_s=20.0):
    with reach(python, folder / "model", REACH, folder, silence_s) as load:
        return load.serve(jobs, random_prompts(jobs, 100, 1), 64)


def test_jobs_come_back_in_their_order_with_all_their_tokens(python, tmp_path):
    """Serve a first job with the longest prompt, and a late third one."""
    jobs = jobs_of([0.0, 0.0, 0.2], [[40, 3], [1, 0], [2, 5]])
    first, second, third = served(python, tmp_path, jobs)
    assert [list(job.tokens) for job in (first, second, third)] == [[7, 8, 9, 10], [7], [7, 8, 9, 10, 11, 12]]
    assert all(job.served for job in (first, second, third))
    assert second.tokens_s[-1] < first.tokens_s[-1]
    assert third.start_s >= 0.2
    assert min(np.diff(first.tokens_s)) >= 0.08  # 2 ms for each token of the prompt
    assert [(visit.first, visit.end, visit.tokens) for visit in first.visits] == [(0, 3, 40)] + [(0, 3, 1)] * 3
    assert [(search.block, search.attempt) for search in third.searches] == [(0, 0)]
    assert 0 <= third.waiting_s < 0.15
    times = job_times([first, second, third])
    np.testing.assert_allclose(times.response_s, [first.tokens_s[-1], second.tokens_s[-1], third.tokens_s[-1] - 0.2])
    assert np.isnan(times.output_token_s[1])
    assert times.output_token_s[0] == pytest.approx(np.diff(first.tokens_s).mean())


def test_one_client_serves_several_rounds_each_with_a_clock_of_its_own(python, tmp_path):
    jobs = jobs_of([0.1], [[2, 1]])
    with reach(python, tmp_path / "model", REACH, tmp_path) as load:
        rounds = [load.serve(jobs, random_prompts(jobs, 100, 1), 64)[0] for _ in range(3)]
    assert all(0.1 <= job.start_s < 0.5 for job in rounds)


def test_a_job_that_fails_says_why_and_the_others_go_on(python, tmp_path):
    failed, other = served(python, tmp_path, jobs_of([0.0, 0.0], [[13, 3], [2, 1]]))
    assert failed.reason == "RuntimeError: no room"
    assert not failed.served
    assert other.served
    times = job_times([failed, other])
    assert np.isnan(times.response_s).tolist() == [True, False]


def test_a_client_that_ends_is_named_with_its_last_words(python, tmp_path):
    with pytest.raises(
        InputError, match=r"^PETALS client: has ended: RuntimeError: the swarm is gone; see .*client.log"
    ):
        served(python, tmp_path, jobs_of([0.0], [[14, 3]]))


def test_a_client_that_is_killed_is_named(python, tmp_path):
    with reach(python, tmp_path / "model", REACH, tmp_path) as load:
        os.killpg(load.child.process.pid, signal.SIGKILL)
        load.child.process.wait()
        jobs = jobs_of([0.0], [[2, 1]])
        with pytest.raises(InputError, match=r"^PETALS client: has ended: "):
            load.serve(jobs, random_prompts(jobs, 100, 1), 64)


def test_a_silent_client_is_not_awaited_for_ever(python, tmp_path):
    with pytest.raises(InputError, match=r"^PETALS client: is silent for more than 1 s; see .*client.log"):
        served(python, tmp_path, jobs_of([0.0], [[15, 3]]), silence_s=1.0)


def test_prompts_have_the_lengths_of_the_jobs_and_no_special_tokens():
    jobs = jobs_of([0.0, 0.0], [[40, 3], [1, 0]])
    prompts = random_prompts(jobs, 50, seed=3)
    assert [len(prompt) for prompt in prompts] == [40, 1]
    assert min(map(min, prompts)) >= 3
    assert max(map(max, prompts)) < 50
    assert prompts == random_prompts(jobs, 50, seed=3)
