"""The orchestrator's loop: steps that become possible in the same turn are sent together."""

from dataclasses import replace

import numpy as np
import pytest

from serving.server.executor import StepExecutor
from serving.server.spec import Pace
from serving.transport.messages import Kind
from system import InputError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from system.service.linear_law import STEP
from tests.support import small_run


class Watched:
    """A connection that records how many steps each call of `send` had."""

    def __init__(self, connection):
        self._connection, self.step_counts = connection, []

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, *messages):
        self.step_counts.append(sum(message.kind == Kind.STEP for message in messages))
        self._connection.send(*messages)


@pytest.mark.parametrize("jobs", [1, 2])
def test_steps_that_were_computed_together_are_sent_together(jobs, monkeypatch):
    """Check a chain of two servers with half of the blocks each.

    At any time half of the jobs are at each server.
    """
    monkeypatch.setattr(small_run, "CAPACITY", 4)
    specs = [replace(spec, cache_slot_count=8) for spec in small_run.specs(batching="decode")[:2]]
    with small_run.started("local", specs) as servers:
        connections = [Watched(connection) for connection in servers.connections]
        orchestrator = small_run.orchestrator(connections)
        requests = small_run.requests(2 * jobs, 8)
        records = orchestrator.run(np.zeros(2 * jobs), requests, lambda: None)
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(request) for request in requests]
    assert max(connections[1].step_counts) == jobs


@compiled(DISPATCH)
def never(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -1


@compiled(DISPATCH)
def only_once(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 0 if waiting == 4 else -1


@compiled(DISPATCH)
def minus_five(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -5


@compiled(DISPATCH)
def far_read(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return busy[capacity.size]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (never, "dispatch = never: leaves 4 jobs waiting beside idle chains"),
        (only_once, "dispatch = only_once: leaves 3 jobs waiting beside idle chains"),
        (minus_five, "dispatch = minus_five: answers -5 for job 0; must answer with a chain below 1 or with -1"),
        (far_read, "dispatch = far_read: reads beyond the end of an array"),
    ],
)
def test_a_broken_policy_ends_a_real_run(policy, message):
    with small_run.started("local", small_run.specs()[:2]) as servers:
        orchestrator = small_run.orchestrator(servers.connections, dispatch=Dispatch(policy, work_conserving=False))
        with pytest.raises(InputError, match=f"^{message}"):
            orchestrator.run(np.zeros(4), small_run.requests(4, 2), lambda: None)


def test_a_job_that_waits_starts_after_the_only_one_in_service_is_refused():
    """Check a chain whose second server has too few cache slots."""
    specs = small_run.specs()[:2]
    specs[1] = replace(specs[1], cache_slot_count=1)
    one_at_a_time = Dispatch(lambda b, q, w, c, r, s, u: 0 if b[0] == 0 else -1, work_conserving=False)
    with small_run.started("local", specs) as servers:
        orchestrator = small_run.orchestrator(servers.connections, dispatch=one_at_a_time)
        records = orchestrator.run(np.zeros(3), small_run.requests(3, 2), lambda: None)
    assert all("server 1 refused: " in record.reason for record in records)


@compiled(STEP)
def negative_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    return -1.0


@compiled(STEP)
def negative_for_one_length_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    return -1.0 if prompt_tokens == settings[0] else 0.0


def broken_pace(function, *settings):
    return Pace(module=__name__, function=function.__name__, block_s=(0.0, 0.0, 0.0), settings=settings)


def test_a_server_with_a_broken_pace_does_not_start():
    spec = replace(small_run.specs()[0], pace=broken_pace(negative_s))
    with pytest.raises(InputError, match=r"^service = negative_s: answers -1 s for a step; must answer a finite time"):
        StepExecutor(spec)


def test_a_job_fails_at_a_step_without_a_time():
    requests = small_run.requests(8, 2)
    length = len(requests[0].prompt)
    pace = broken_pace(negative_for_one_length_s, length)
    specs = [replace(spec, pace=pace) for spec in small_run.specs()[:2]]
    is_broken = [len(request.prompt) == length for request in requests]
    with small_run.started("local", specs) as servers:
        records = small_run.orchestrator(servers.connections).run(np.zeros(8), requests, lambda: None)
    assert [record.status == "failed" for record in records] == is_broken
    assert 0 < sum(is_broken) < 8
    assert all(
        "service = negative_for_one_length_s: answers -1 s" in record.reason for record in records if record.reason
    )
