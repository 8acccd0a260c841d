"""Prompts in chunks: each passes all servers before the next, tokens stay those of the model, faults are survived."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.admission.requests import Hop, Start
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)
pytest.importorskip("zmq", reason=NEEDS_RUNTIME)

from serving.orchestrator.attempt import Attempt, Delays, Request  # noqa: E402
from serving.transport.messages import Kind, Message, WireError  # noqa: E402
from tests.support import small_run  # noqa: E402

RULES = (
    {"batching": "serial"},
    {"batching": "decode"},
    {"batching": "decode", "stacking": "share_of_slots"},
    {"batching": "mixed", "budget_tokens": 4},
    {"batching": "mixed", "budget_tokens": 1},
)


class Watched:
    """A connection that records all steps, with those of other servers."""

    def __init__(self, connection, server, sent):
        self._connection, self._server, self._sent = connection, server, sent

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, *messages):
        self._sent += [(self._server, message) for message in messages]
        self._connection.send(*messages)


def watched(servers):
    """Return connections that record what is sent, and the record."""
    sent = []
    return [Watched(connection, j, sent) for j, connection in enumerate(servers.connections)], sent


def steps_of(sent):
    """Return (server, tokens) of each step of a prompt."""
    return [(j, m.tokens) for j, m in sent if m.kind == Kind.STEP and m.prompt]


def request_of(prompt_tokens, output_tokens=3):
    generator = torch.Generator().manual_seed(prompt_tokens)
    return Request(torch.randint(96, (prompt_tokens,), generator=generator), output_tokens)


def assert_tokens(records, requests):
    assert [record.tokens for record in records] == [small_run.whole_model_tokens(request) for request in requests]


@pytest.mark.parametrize("engine", ["local", "pipe"])
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_tokens_match_the_whole_model_in_any_chunks(rules, engine):
    specs = small_run.specs(**rules)
    with small_run.started(engine, specs) as servers:
        for chunk_tokens in (None, 1, 3) if engine == "local" else (2,):
            requests = small_run.requests(10, 6, seed=chunk_tokens or 0)
            orchestrator = small_run.orchestrator(servers.connections, prefill_chunk_tokens=chunk_tokens)
            records = orchestrator.run(np.repeat([0.0, 0.01], 5), requests, lambda: None)
            assert_tokens(records, requests)
            stats = orchestrator.stats()
            assert [stats[j]["free_slots"] for j in range(3)] == [spec.cache_slot_count for spec in specs]


def test_a_chunk_passes_all_servers_before_the_next_one_begins():
    with small_run.started("local", small_run.specs()[:2]) as servers:
        connections, sent = watched(servers)
        orchestrator = small_run.orchestrator(connections, prefill_chunk_tokens=3)
        (record,) = orchestrator.run(np.zeros(1), [request_of(7)], lambda: None)
    assert steps_of(sent) == [(0, 3), (1, 3), (0, 3), (1, 3), (0, 1), (1, 1)]
    opened = [j for j, message in sent if message.kind == Kind.OPEN]
    assert opened == [0, 1]
    # 3 chunks and 2 further tokens, at 2 servers; only the second returns a single row
    assert record.parts.hops == 2 * (3 + 2)
    assert [message.last_only for j, message in sent if message.kind == Kind.STEP] == [False, True] * 5


def test_a_server_with_a_budget_cuts_prompts_at_the_first_hop():
    with small_run.started("local", small_run.specs(batching="mixed", budget_tokens=4)[:2]) as servers:
        connections, sent = watched(servers)
        orchestrator = small_run.orchestrator(connections)
        (record,) = orchestrator.run(np.zeros(1), [request_of(10)], lambda: None)
        orchestrator = small_run.orchestrator(connections, prefill_chunk_tokens=3)
        orchestrator.run(np.zeros(1), [request_of(5)], lambda: None)
    assert steps_of(sent) == [(0, 10), (1, 4), (0, 6), (1, 4), (0, 2), (1, 2), (0, 3), (1, 3), (0, 2), (1, 2)]
    assert record.tokens == small_run.whole_model_tokens(request_of(10))


class Asked(Delays):
    """Delays that record the visits for which they are asked."""

    def of_step(self, server, tokens, first):
        self.visits.append((server, tokens, first))
        return super().of_step(server, tokens, first)


def test_every_chunk_has_the_delay_of_a_prompt_of_its_length():
    delays = Asked(np.array([[2e-3, 1e-4, 1e-3], [1e-3, 1e-4, 1e-3], [1.0, 1.0, 1.0]]))
    object.__setattr__(delays, "visits", [])
    with small_run.started("local", small_run.specs(batching="mixed", budget_tokens=4)[:2]) as servers:
        orchestrator = small_run.orchestrator(servers.connections, prefill_chunk_tokens=5, delays=delays)
        (record,) = orchestrator.run(np.zeros(1), [request_of(6, output_tokens=2)], lambda: None)
    sent, returned = delays.visits[::2], delays.visits[1::2]
    # The first server gets 5 tokens and answers 4. It has the fifth, so only the sixth is new to it.
    assert sent == [(0, 5, True), (1, 4, True), (0, 1, True), (1, 2, True), (0, 1, False), (1, 1, False)]
    assert returned == [(0, 4, True), (1, 4, True), (0, 2, True), *sent[3:]]
    least_s = 2 * (2e-3 + 1e-3) + 1e-4 * (6 + 6 + 6 + 6) / 2 + 2 * 1e-3
    assert record.parts.emulated_rtt_s >= least_s * (1 - 1e-9)


def test_a_path_over_one_server_goes_on_where_the_server_cut_the_prompt():
    attempt = Attempt(1, Start(0, (Hop(0, 0, 4),), 0), request_of(5), 0.0)
    row = torch.zeros(1, 1, 72)
    for sent, computed, remains in ((5, 2, True), (3, 1, True), (2, 2, False)):
        assert attempt.prompt_remains
        chunk = attempt.next_chunk(None)
        assert chunk.tolist() == attempt.request.prompt[-sent:].tolist()
        attempt.begin_step(torch.zeros(1, sent, 72))
        assert [message.kind for message in attempt.requests(0.0)][-1] == Kind.STEP
        attempt.record_answer(Message(Kind.STEP, 1, computed_tokens=computed, hidden=row), 0.0)
        assert attempt.prompt_remains == remains


@pytest.mark.parametrize(("hop", "computed", "rows"), [(0, 0, 0), (0, 4, 4), (0, 2, 3), (1, 2, 1), (1, 3, 3)], ids=str)
def test_an_answer_to_another_step_is_refused(hop, computed, rows):
    attempt = Attempt(1, Start(0, (Hop(0, 0, 2), Hop(1, 2, 2)), 0), request_of(3), 0.0)
    attempt.begin_step(torch.zeros(1, 3, 72))
    attempt.hop = hop
    hidden = torch.zeros(1, rows, 72) if rows else None
    with pytest.raises(WireError, match=f"answer to a step of 3 tokens = {computed} computed, {rows} returned"):
        attempt.record_answer(Message(Kind.STEP, 1, computed_tokens=computed, hidden=hidden), 0.0)


class Forgetful:
    """A connection whose answers say that nothing was computed."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def receive(self):
        return [replace(answer, computed_tokens=0) for answer in self._connection.receive()]


def test_a_server_that_answers_another_step_is_lost():
    requests = small_run.requests(6, 4)
    with small_run.started("local", small_run.specs()) as servers:
        connections = [*servers.connections[:2], Forgetful(servers.connections[2])]
        orchestrator = small_run.orchestrator(connections, prefill_chunk_tokens=2)
        records = orchestrator.run(np.zeros(6), requests, lambda: None)
    assert "0 computed" in orchestrator.lost[2]
    assert_tokens(records, requests)


def is_prompt_step(message):
    return message.kind == Kind.STEP and message.prompt


@pytest.mark.parametrize("rules", RULES[:2] + RULES[3:4], ids=str)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_jobs_whose_server_dies_between_chunks_begin_again_elsewhere(rules, steps):
    requests, specs = [request_of(8 + job, 4) for job in range(4)], small_run.specs(**rules)
    with small_run.started("local", specs) as servers:
        connections = [
            servers.connections[0],
            small_run.Dying(servers.connections[1], steps - 1, is_prompt_step),
            servers.connections[2],
        ]
        orchestrator = small_run.orchestrator(connections, prefill_chunk_tokens=3)
        records = orchestrator.run(np.zeros(4), requests, lambda: None)
        stats = orchestrator.stats()
    assert orchestrator.lost == {1: "it has died"}
    assert max(record.attempts for record in records) == 2
    assert {record.chain for record in records} == {1}
    assert_tokens(records, requests)
    assert [stats[j]["free_slots"] for j in (0, 2)] == [specs[j].cache_slot_count for j in (0, 2)]
    assert [stats[j]["jobs"] for j in (0, 2)] == [0, 0]


def test_a_later_chunk_that_does_not_fit_the_cache_fails_its_job_alone():
    specs = [replace(spec, cache_tokens=8) for spec in small_run.specs()[:2]]
    requests = [request_of(4), request_of(9), request_of(5)]
    with small_run.started("local", specs) as servers:
        orchestrator = small_run.orchestrator(servers.connections, prefill_chunk_tokens=3)
        records = orchestrator.run(np.zeros(3), requests, lambda: None)
        stats = orchestrator.stats()
    assert [record.status for record in records] == ["served", "failed", "served"]
    assert "server 0 refused: tokens of job 2 = 9: a cache slot holds 8" in records[1].reason
    assert_tokens(records[::2], requests[::2])
    assert [stats[j]["free_slots"] for j in (0, 1)] == [spec.cache_slot_count for spec in specs]
