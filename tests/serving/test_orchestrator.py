"""The orchestrator's loop: steps that become possible in the same turn are sent together."""

from dataclasses import replace

import numpy as np
import pytest

from serving.transport.messages import Kind
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
