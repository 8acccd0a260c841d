"""PETALS itself: how many sessions a server takes, and how clients wait when it is full (`make petals`)."""

import numpy as np
import pytest

from serving.engines.petals.client import job_times, random_prompts
from serving.engines.petals.comparison import served
from serving.engines.petals.environment import PYTHON
from serving.engines.petals.logs import sessions
from serving.engines.petals.model import SmallLlama
from serving.engines.petals.spans import Span
from tests.support.project import needs_runtime
from workloads.jobs import Jobs

pytestmark = pytest.mark.petals
MODEL = SmallLlama()
POOL = 96  # tokens
LATE_S = 0.5  # a machine at work may delay an attempt so much


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the model, which is written once."""
    folder = tmp_path_factory.mktemp("swarm")
    MODEL.write(folder / "model", PYTHON)
    return folder


@pytest.fixture(scope="module")
def even(folder):
    """Yield a client, and a swarm whose two servers have equal pools."""
    with served([Span("a", 0, 2, POOL), Span("b", 2, 8, POOL)], MODEL, folder) as (swarm, load):
        serve(load, [0.0], [[16, 3]], 32)  # warms up
        yield swarm, load


def jobs_of(arrival_s, lengths):
    return Jobs(np.array(arrival_s), np.ones(len(lengths)), np.array(lengths, float), np.zeros(len(lengths)))


def serve(load, arrival_s, lengths, reserved_tokens):
    jobs = jobs_of(arrival_s, lengths)
    return load.serve(jobs, random_prompts(jobs, MODEL.vocabulary_size, 1), reserved_tokens)


def at_once(jobs):
    """Return how many jobs found room on all servers at their first attempt."""
    return sum(len(job.searches) == 1 for job in jobs)


@needs_runtime
def test_tokens_are_those_of_this_projects_own_blocks(folder, even):
    """Compute the same checkpoint by the blocks of `serving.blocks`, whole and in one place."""
    import torch

    from serving.blocks.checkpoint import Checkpoint
    from serving.blocks.reference import generate

    checkpoint = Checkpoint(folder / "model")
    blocks = [checkpoint.block(b, torch.float32, "cpu") for b in range(8)]
    ends = checkpoint.embedding_and_head(torch.float32, "cpu")
    jobs = jobs_of([0.0, 0.1], [[12, 7], [5, 11]])
    prompts = random_prompts(jobs, MODEL.vocabulary_size, 2)
    for job, prompt in zip(even[1].serve(jobs, prompts, 24), prompts, strict=True):
        assert list(job.tokens) == generate(checkpoint.decoder, blocks, ends, prompt, len(job.tokens))


@pytest.mark.parametrize(("reserved_tokens", "most"), [(24, 4), (32, 3), (33, 2), (48, 2), (49, 1)])
def test_sessions_share_the_pool_by_the_tokens_that_each_reserves(even, reserved_tokens, most):
    """Send jobs 30 ms apart, as PETALS may refuse simultaneous ones that fit."""
    count = most + 2
    jobs = serve(even[1], 0.03 * np.arange(count), [[4, 19]] * count, reserved_tokens)
    assert at_once(jobs) == most
    assert all(job.served for job in jobs)


def test_a_full_server_refuses_at_once_and_clients_try_again_after_0_1_3_7_s(even):
    """Serve a first job for so long that the second needs a third attempt."""
    long, waiting = serve(even[1], [0.0, 0.3], [[4, 91], [4, 3]], POOL)
    attempts_s = np.array([search.time_s for search in waiting.searches]) - waiting.start_s
    expected_s = [0, 0, 1, 3, 7, 15, 31, 63, 123][: attempts_s.size]
    assert attempts_s.size >= 3
    assert np.all(attempts_s >= np.array(expected_s) - 1e-3)
    assert attempts_s == pytest.approx(expected_s, abs=LATE_S)
    assert attempts_s[-2] + waiting.start_s < long.tokens_s[-1] + LATE_S
    assert [search.attempt for search in waiting.searches] == list(range(attempts_s.size))


def test_the_log_of_a_server_tells_opened_sessions_from_refused_ones(even):
    opened, allocated = sessions(even[0].members[0].text)
    assert opened > allocated > 0


def test_a_job_that_waits_for_a_later_server_holds_its_cache_on_the_earlier_ones(folder):
    """Give the first server room for two jobs, and the second for one."""
    spans = [Span("a", 0, 2, 2 * POOL), Span("b", 2, 8, POOL)]
    with served(spans, MODEL, folder) as (_, load):
        serve(load, [0.0], [[16, 3]], 32)
        first, holding, refused = serve(load, [0.0, 0.3, 0.6], [[4, 91], [4, 3], [4, 3]], POOL)
    assert len(first.searches) == 1
    assert [search.block for search in holding.searches] == [0] + [2] * (len(holding.searches) - 1)
    assert len(holding.searches) >= 3
    assert {search.block for search in refused.searches} <= {0, 2}
    assert len(refused.searches) >= 2
    assert refused.searches[1].block == 0


def test_a_session_takes_room_for_the_blocks_that_it_runs_only(folder):
    """Use three of five blocks, which hold three sessions and not two."""
    spans = [Span("a", 0, 5, 5 * POOL), Span("b", 3, 8, POOL)]
    with served(spans, MODEL, folder) as (_, load):
        serve(load, [0.0], [[16, 3]], 32)
        jobs = serve(load, 0.03 * np.arange(5), [[4, 31]] * 5, 48)
    assert {(visit.first, visit.end) for job in jobs for visit in job.visits} == {(0, 5), (5, 8)}
    assert at_once(jobs) == 3
    assert np.isfinite(job_times(jobs).response_s).all()


def test_clients_return_to_a_full_server_beside_an_idle_one(folder):
    """Serve three jobs on two servers of the whole model within a few seconds."""
    spans = [Span("a", 0, 8, POOL), Span("b", 0, 8, POOL)]
    with served(spans, MODEL, folder) as (swarm, load):
        serve(load, [0.0], [[16, 3]], 32)
        opened = {sessions(member.text)[0] for member in swarm.members}
        jobs = serve(load, [0.0, 0.5, 1.0], [[4, 91], [4, 3], [4, 3]], POOL)
        assert 0 in opened
        assert 0 in {sessions(member.text)[0] for member in swarm.members}
    assert at_once(jobs) == 1
    assert all(job.served for job in jobs)
