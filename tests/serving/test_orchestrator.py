"""The orchestrator's loop: what one turn of it brings goes on together."""

from dataclasses import replace

import numpy as np
import pytest

from serving.transport.messages import Kind
from tests.support import small_run


class Watched:
    """A connection that remembers how many steps each of its messages' trains had."""

    def __init__(self, connection):
        self._connection, self.trains = connection, []

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, *messages):
        self.trains.append(sum(message.kind == Kind.STEP for message in messages))
        self._connection.send(*messages)


@pytest.mark.parametrize("jobs", [1, 2])
def test_steps_that_were_computed_together_are_sent_together(jobs, monkeypatch):
    """On a chain whose servers share the blocks equally, half of the jobs are at each."""
    monkeypatch.setattr(small_run, "CAPACITY", 4)
    made = [replace(spec, cache_slot_count=8) for spec in small_run.specs(batching="decode")[:2]]
    with small_run.started("local", made) as servers:
        connections = [Watched(connection) for connection in servers.connections]
        run = small_run.orchestrator(connections)
        requests = small_run.requests(2 * jobs, 8)
        records = run.run(np.zeros(2 * jobs), requests, lambda: None)
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(request) for request in requests]
    assert max(connections[1].trains) == jobs
