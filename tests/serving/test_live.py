"""Jobs that other threads submit: tokens as in a run, numbers that are used again, and slots after cancelling."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("torch")

from serving.orchestrator.inbox import Inbox
from serving.orchestrator.live import LiveJobs
from tests.support import small_run
from tests.support.small_models import one_thread  # noqa: F401


class Heard:
    """What one job's listener has heard."""

    def __init__(self):
        self.tokens, self.first, self.ended = [], threading.Event(), threading.Event()

    def on_token(self, count, token):
        self.tokens.append(token)
        self.first.set()


@contextmanager
def live_jobs(specs, most):
    """Serve live jobs in a thread; afterwards all slots must be free."""
    with small_run.started("local", specs) as servers:
        admission = small_run.admission_of(servers.connections, most=most)
        orchestrator = small_run.orchestrator(servers.connections, admission=admission)
        live = LiveJobs(orchestrator, admission, most, np.random.default_rng(0))
        thread = threading.Thread(target=live.serve)
        thread.start()
        try:
            yield live, orchestrator
        finally:
            live.close()
            thread.join(30)
        assert [stats["jobs"] for stats in orchestrator.stats().values()] == [0] * len(specs)
        live.release()


def submit(live, request):
    heard = Heard()
    return heard, live.submit(request, heard.on_token, heard.ended.set)


def test_live_jobs_get_the_tokens_of_a_run_and_numbers_are_used_again():
    requests = small_run.requests(12, 4)
    with small_run.started("local", small_run.specs()) as servers:
        records = small_run.orchestrator(servers.connections).run(np.zeros(12), requests, lambda: None)
    with live_jobs(small_run.specs(), most=4) as (live, _):
        for group in (range(4), range(4, 8), range(8, 12)):
            submitted = {i: submit(live, requests[i]) for i in group}
            for i, (heard, job) in submitted.items():
                assert heard.ended.wait(30)
                assert job.record.served
                assert heard.tokens == job.record.tokens == records[i].tokens
                assert job.record.arrival_s <= job.record.start_s < job.record.first_token_s <= job.record.end_s


def test_cancelled_jobs_leave_their_slots_and_the_queue():
    """Check jobs at a server and in the queue; the one behind them starts."""
    long, short = small_run.requests(4, 400), small_run.requests(1, 2, seed=1)[0]
    specs = small_run.specs(pace=small_run.pace(0.005, 0.0, 0.005))[:2]
    with live_jobs(specs, most=5) as (live, orchestrator):
        submitted = [submit(live, request) for request in long]
        assert all(heard.first.wait(30) for heard, _ in submitted[:2])
        waiting, in_service = orchestrator.counts()
        assert (waiting, dict(in_service)) == (2, {0: 2})
        last, job = submit(live, short)
        for n in (2, 3, 0):
            live.cancel(submitted[n][1])
        assert last.ended.wait(30)
        assert job.record.tokens == small_run.whole_model_tokens(short)
        live.cancel(job)  # it has ended, and its number may be another job's
        live.cancel(submitted[1][1])
        assert all(heard.ended.wait(30) for heard, _ in submitted)
        assert all("cancelled" in job.record.reason for _, job in submitted)
        assert orchestrator.counts() == (0, {})


def test_an_inbox_makes_every_call_once_and_in_order():
    inbox, made = Inbox(), []
    for n in range(10_000):  # more than the socket's buffer has room for
        inbox.call(lambda n=n: made.append(n))
    inbox.close()
    while not inbox.closed:
        inbox.make_calls()
    assert made == list(range(10_000))
    inbox.release()
