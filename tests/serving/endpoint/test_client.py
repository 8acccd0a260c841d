"""One completion: its times agree with the endpoint's delays, and whatever fails becomes one sentence."""

import asyncio
import socket
import threading
import time

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from serving.endpoint.client import RequestLimits, new_session, stream, text_of
from serving.endpoint.endpoint import Endpoint, StreamedJob
from serving.endpoint.events import EventReader
from serving.endpoint.failures import EndpointFailure
from system import InputError
from tests.support.endpoints.fake import Fake, serving

LIMITS = RequestLimits(connect_s=2.0, first_token_s=2.0, silence_s=2.0)
KEY = "sk-very-secret-0123456789"


def completed(endpoint, output_tokens=6, limits=LIMITS, prompt=(5, 6, 7)):
    """Return the job of one request."""

    async def run():
        began_s = time.monotonic()
        job = StreamedJob(0.0)
        async with new_session() as session:
            await stream(session, endpoint, prompt, output_tokens, limits, job, lambda: time.monotonic() - began_s)
        return job

    return asyncio.run(run())


def served_by(mode, **settings):
    """Return the job of one request to a fake, and this fake."""
    limits = settings.pop("limits", LIMITS)
    options = settings.pop("endpoint", {})
    with serving(Fake(mode, **settings)) as fake:
        return completed(Endpoint(fake.url, **options), limits=limits), fake


def test_times_agree_with_the_delays_of_the_endpoint():
    job, _ = served_by("good", first_s=0.2, token_s=0.04)
    assert job.served
    assert job.tokens == 6
    assert job.start_s + 0.2 <= job.first_token_s < job.start_s + 0.4
    assert 5 * 0.04 <= job.end_s - job.first_token_s < 5 * 0.04 + 0.2
    gaps_s = np.diff(job.token_times_s)
    assert len(gaps_s) == 5
    assert np.median(gaps_s) == pytest.approx(0.04, abs=0.015)
    assert job.reason == ""


@pytest.mark.parametrize("mode", ["good", "without_usage", "in_pairs", "in_bytes"])
def test_tokens_are_counted_by_events_or_by_the_usage(mode):
    job, _ = served_by(mode)
    assert (job.status, job.tokens, job.reason) == ("served", 6, "")
    assert job.start_s <= job.first_token_s <= job.end_s


def test_the_request_has_the_fields_of_the_api_and_the_options():
    options = {"cache_prompt": False, "stream_options": None, "temperature": 1}
    _, fake = served_by("without_usage", endpoint={"model": "tiny", "key": KEY, "options": options})
    assert fake.bodies == [
        {
            "model": "tiny",
            "prompt": [5, 6, 7],
            "max_tokens": 6,
            "temperature": 1,
            "ignore_eos": True,
            "stream": True,
            "cache_prompt": False,
        }
    ]
    assert fake.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert fake.headers[0]["Connection"] == "close"
    _, fake = served_by("good", endpoint={"prompt": "text"})
    assert len(fake.bodies[0]["prompt"].split()) == 3
    assert "Authorization" not in fake.headers[0]
    assert text_of([0, 1]) == "the of"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("busy", "the endpoint answered 429 (Too Many Requests): Slow down, please"),
        ("broken", "the endpoint answered 500 (Internal Server Error): <html> <h1>Oh</h1>"),
        ("moved", "the endpoint answered 307 (Temporary Redirect)"),
        ("nonsense", "the endpoint sent something other than a completion: {cats: }"),
        ("chat", 'the endpoint sent something other than a completion: {"choices": [{"delta": {"content": "hello"}}]}'),
        ("page", "the endpoint sent no events: <html>welcome</html>"),
        ("nothing", "the endpoint sent no events"),
        ("error_event", "the endpoint reported an error: out of memory"),
        ("drops", "the endpoint dropped the connection"),
        ("drops_at_once", "the endpoint dropped the connection"),
        ("ends_early", 'the endpoint stopped in an event: data: {"choices": [{"te'),
        ("short", "the endpoint sent fewer tokens than asked"),
        ("long", "the endpoint sent more tokens than asked"),
        ("endless", "the endpoint sent more tokens than asked"),
    ],
)
def test_a_failure_is_a_reason(mode, reason):
    job, _ = served_by(mode)
    assert (job.status, job.reason) == ("failed", reason)
    assert np.isnan(job.end_s)
    assert np.isnan(job.first_token_s) == (job.tokens == 0)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("silent", "the endpoint sent no token within 0.2 s"),
        ("falls_silent", "the endpoint sent nothing more for 0.1 s"),
    ],
)
def test_silence_ends_after_its_limit(mode, reason):
    began_s = time.monotonic()
    job, fake = served_by(mode, limits=RequestLimits(first_token_s=0.2, silence_s=0.1))
    assert (job.status, job.reason) == ("failed", reason)
    assert time.monotonic() - began_s < 2
    assert fake.present == 0  # the client has left


def test_a_long_answer_is_not_cut_by_the_limit_of_its_first_token():
    job, _ = served_by("good", token_s=0.1, limits=RequestLimits(first_token_s=0.3, silence_s=0.3))
    assert job.served


def test_an_endpoint_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    job = completed(Endpoint(f"http://127.0.0.1:{port}/v1"))
    assert (job.status, job.reason) == ("failed", "the endpoint could not be reached: Connection refused")
    job = completed(Endpoint("http://no.such.host.invalid/v1"))
    assert job.reason.startswith("the endpoint could not be reached: ")
    job = completed(Endpoint("nowhere"))
    assert job.reason == "the endpoint has no valid address"


def test_an_endpoint_that_accepts_no_connection():
    """Check a port whose queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        job = completed(Endpoint(f"http://127.0.0.1:{address[1]}/v1"), limits=RequestLimits(connect_s=0.2))
        for client in waiting:
            client.close()
    assert (job.status, job.reason) == ("failed", "the endpoint accepted no connection within 0.2 s")


def test_something_that_is_no_web_server():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        job = completed(Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}/v1"))
        thread.join()
    assert job.reason.startswith("the endpoint sent no valid HTTP: ")
    assert "\n" not in job.reason


def test_the_key_is_in_no_reason_and_no_representation():
    job, _ = served_by("repeats_key", endpoint={"key": KEY})
    assert job.reason == "the endpoint answered 401 (Unauthorized): unknown key Bearer ***"
    assert KEY not in repr(Endpoint("http://a/v1", key=KEY))


def test_an_event_without_end_is_refused():
    reader = EventReader()
    assert list(reader.feed(b"data: " + b"x" * 2**19)) == []
    with pytest.raises(EndpointFailure, match="more than"):
        list(reader.feed(b"x" * 2**19))


@pytest.mark.parametrize("field", ["connect_s", "first_token_s", "silence_s"])
def test_limits_are_positive_times(field):
    with pytest.raises(InputError, match=f"{field} = 0: must be a finite number above 0"):
        RequestLimits(**{field: 0})
