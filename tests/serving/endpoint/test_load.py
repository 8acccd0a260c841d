"""Load on an endpoint: an open loop keeps to arrivals, a closed loop to its users, and both watch themselves."""

import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from serving.endpoint.endpoint import Endpoint
from serving.endpoint.load import LoadSettings, SlowClientWarning, random_requests, replay
from system import InputError
from tests.support.endpoints.fake import Fake, serving
from tests.support.project import ROOT

LENGTHS = np.array([[3.0, 4.0]])  # 5 output tokens


def loaded(fake, arrival_s, lengths=LENGTHS, **settings):
    """Return the run of jobs against a fake, whatever the machine's speed."""
    requests = random_requests(np.broadcast_to(lengths, (len(arrival_s), 2)), (10, 20), np.random.default_rng(1))
    with serving(fake), warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowClientWarning)
        return replay(Endpoint(fake.url), np.asarray(arrival_s), requests, LoadSettings(**settings))


def test_an_open_loop_sends_at_arrivals_whatever_became_of_others():
    """Check jobs that take 0.4 s each and arrive every 0.05 s."""
    fake = Fake(first_s=0.4)
    run = loaded(fake, 0.1 + 0.05 * np.arange(8), loop="open")
    assert run.served.all()
    assert fake.most_present >= 7  # all but the first are sent before the first one ends
    assert np.diff(fake.arrived_s) == pytest.approx(np.full(7, 0.05), abs=0.04)
    assert run.times.arrival_s.tolist() == (0.1 + 0.05 * np.arange(8)).tolist()
    assert (run.times.waiting_s >= 0).all()
    assert run.times.first_token_s == pytest.approx(np.full(8, 0.4), abs=0.1)
    assert run.lag.sending_s.tolist() == run.times.waiting_s.tolist()


def test_a_closed_loop_keeps_its_users():
    """Check 12 jobs of 0.1 s each by three users: four rounds."""
    fake = Fake(first_s=0.06, token_s=0.01)
    run = loaded(fake, np.zeros(12), loop="closed", users=3)
    assert run.served.all()
    assert fake.most_present == 3
    assert run.times.arrival_s.tolist() == [record.start_s for record in run.records]
    assert run.times.waiting_s.tolist() == [0.0] * 12
    assert run.times.response_s == pytest.approx(np.full(12, 0.1), abs=0.05)
    ends_s = np.array([record.end_s for record in run.records])
    for n in range(3, 12):  # a job starts when one of those before it ends
        assert np.min(np.abs(ends_s[:n] - run.records[n].start_s)) < 0.03


def test_one_job_that_fails_leaves_the_others_alone():
    run = loaded(Fake(["good", "broken", "drops", "good"]), np.zeros(4), loop="closed", users=1)
    assert run.served.tolist() == [True, False, False, True]
    for times_s in (run.times.response_s, run.times.first_token_s, run.times.output_token_s):
        assert np.isnan(times_s).tolist() == [False, True, True, False]
    assert [record.tokens for record in run.records] == [5, 0, 2, 5]


def test_the_time_per_token_and_the_gaps_are_those_of_the_endpoint():
    run = loaded(Fake(token_s=0.03), np.zeros(2))
    assert run.times.output_token_s == pytest.approx(np.full(2, 0.03), abs=0.015)
    gaps_s = run.token_gaps_s(np.array([True, False]))
    assert gaps_s.size == 4
    assert gaps_s.sum() == pytest.approx(4 * run.times.output_token_s[0])
    single = loaded(Fake(), np.zeros(2), lengths=np.array([[3.0, 0.0]]))
    assert np.isnan(single.times.output_token_s).all()
    assert single.served.all()


def test_prompts_have_the_lengths_and_ids_that_are_asked():
    fake = Fake()
    loaded(fake, np.zeros(3), lengths=np.array([[3.0, 0.0], [5.0, 1.0], [40.0, 2.0]]), loop="closed", users=1)
    assert [len(body["prompt"]) for body in fake.bodies] == [3, 5, 40]
    assert [body["max_tokens"] for body in fake.bodies] == [1, 2, 3]
    ids = {token for body in fake.bodies for token in body["prompt"]}
    assert ids <= set(range(10, 20))
    assert len(ids) > 5


def test_a_client_that_lags_says_so():
    """Check a client that takes 50 ms to make each request."""

    def slowly():
        for request in random_requests(np.broadcast_to(LENGTHS, (5, 2)), (10, 20), np.random.default_rng(1)):
            time.sleep(0.05)
            yield request

    with (
        serving(Fake()) as fake,
        pytest.warns(SlowClientWarning, match="sent requests .* ms late on average") as caught,
    ):
        run = replay(Endpoint(fake.url), np.zeros(5), slowly(), LoadSettings())
    assert (run.lag.sending_s >= 0.05 * np.arange(1, 6)).all()
    assert run.lag.waking_s.max() > 0.03
    assert all("\n" not in str(warning.message) for warning in caught)


def test_a_client_that_keeps_up_says_nothing():
    with serving(Fake(first_s=0.3, token_s=0.1)) as fake, warnings.catch_warnings():
        warnings.simplefilter("error")
        requests = random_requests(LENGTHS, (10, 20), np.random.default_rng(1))
        assert replay(Endpoint(fake.url), np.zeros(1), requests, LoadSettings(lag_share=0.5)).served.all()


STOPPED = """
import sys
import numpy as np
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.load import LoadSettings, random_requests, replay

requests = random_requests(np.full((6, 2), 3.0), (10, 20), np.random.default_rng(1))
try:
    replay(Endpoint(sys.argv[1]), np.zeros(6), requests, LoadSettings(loop=sys.argv[2], users=3))
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize(("loop", "mode"), [("open", "silent"), ("closed", "falls_silent")])
def test_ctrl_c_closes_all_connections(loop, mode):
    with serving(Fake(mode)) as fake:
        words = [sys.executable, "-W", "always", "-c", STOPPED, fake.url, loop]
        client = subprocess.Popen(
            words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=-1, stderr=-1, text=True
        )
        try:
            wait_until(lambda: fake.present == (6 if loop == "open" else 3))
            client.send_signal(signal.SIGINT)
            output, errors = client.communicate(timeout=20)
        finally:
            client.kill()
        assert (client.returncode, output, errors) == (0, "stopped\n", "")
        wait_until(lambda: fake.present == 0)


def wait_until(is_true, limit_s=20.0):
    """Wait until a condition holds."""
    ends_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < ends_s
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loop": "ajar"}, "loop = ajar: must be one of open, closed"),
        ({"users": 0}, "users = 0: must be a whole number of at least 1"),
        ({"lag_share": 1}, "lag_share = 1: must lie between 0 and 1"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        LoadSettings(**settings)
