"""The front when clients leave, servers are lost or too much is asked; and what its metrics say of it."""

import asyncio

import pytest

pytest.importorskip("torch")
pytest.importorskip("aiohttp")

from tests.serving.http.fronts import body, complete, events, small_front, until, values, with_client
from tests.support import small_run
from tests.support.small_models import one_thread  # noqa: F401

USED, WAITING, RUNNING = (
    "server_chains_chain_slots_used",
    "server_chains_requests_waiting",
    "server_chains_requests_running",
)
OUTCOMES = "server_chains_requests_total"


def slow_specs():
    """Return the specs of one chain whose steps take 20 ms at each server."""
    return small_run.specs(pace=small_run.pace(0.01, 0.0, 0.01))[:2]


def test_a_client_that_leaves_gives_back_its_slot_and_its_place_in_the_queue():
    requests = small_run.requests(4, 400)
    last = small_run.requests(1, 2, seed=1)[0]

    async def scenario(session):
        opened = [
            asyncio.create_task(complete(session, **body(request, stream=stream)))
            for request, stream in zip(requests, (True, False, True, False), strict=True)
        ]
        full = await until(session, lambda now: now[RUNNING,] == 2 and now[WAITING,] == 2)
        waits = asyncio.create_task(complete(session, **body(last, return_token_ids=True)))
        await until(session, lambda now: now[WAITING,] == 3)
        for task in (opened[2], opened[3], opened[0]):
            task.cancel()
        _, answer = await waits  # it starts once a slot is free, while one of the long requests goes on
        still = await values(session)
        opened[1].cancel()
        return full, answer, still, await until(session, lambda now: now[RUNNING,] == now[WAITING,] == 0)

    with small_front(slow_specs()) as front:
        full, answer, still, empty = with_client(front, scenario)
        stats = front.orchestrator.stats()
    assert (full[USED, "0"], full["server_chains_chain_slots", "0"]) == (2, 2)
    assert answer["choices"][0]["token_ids"] == small_run.whole_model_tokens(last)
    assert still[RUNNING,] == 1
    assert (empty[USED, "0"], empty[OUTCOMES, "cancelled"], empty[OUTCOMES, "served"]) == (0, 4, 1)
    assert [of_server["jobs"] for of_server in stats.values()] == [0, 0]


def test_a_stream_that_is_dropped_after_its_first_token_frees_its_slot():
    (request,) = small_run.requests(1, 400)

    async def scenario(session):
        async with session.post("/v1/completions", json=body(request, stream=True)) as response:
            await anext(events(response))
        return await until(session, lambda now: now[RUNNING,] == 0)

    with small_front(slow_specs()) as front:
        metrics = with_client(front, scenario)
        stats = front.orchestrator.stats()
    assert metrics[OUTCOMES, "cancelled"] == 1
    assert [of_server["jobs"] for of_server in stats.values()] == [0, 0]


def test_more_requests_than_the_front_takes_are_told_to_come_again():
    requests = small_run.requests(3, 20)

    async def scenario(session):
        answers = await asyncio.gather(*(complete(session, **body(request)) for request in requests))
        return sorted(status for status, _ in answers), await values(session)

    with small_front(slow_specs(), most=2) as front:
        statuses, metrics = with_client(front, scenario)
    assert statuses == [200, 200, 429]
    assert metrics[OUTCOMES, "refused"] == 1


def dying(after):
    """Return a function that lets the last connection break after so many messages."""
    return lambda connections: [*connections[:-1], small_run.Dying(connections[-1], after)]


def test_without_a_path_requests_and_the_health_check_get_503():
    first, second = small_run.requests(2, 20)

    async def scenario(session):
        async with session.get("/health") as response:
            assert response.status == 200
        broken = await complete(session, **body(first, stream=True))
        refused = await complete(session, **body(second))
        async with session.get("/health") as response:
            return broken, refused, response.status, await values(session)

    with small_front(wrap=dying(after=0)) as front:
        broken, refused, health, metrics = with_client(front, scenario)
    for status, answer in (broken, refused):
        assert status == 503
        assert answer["error"]["type"] == "service_unavailable_error"
        assert "server 1 was lost: it has died" in answer["error"]["message"]
    assert health == 503
    assert (metrics["server_chains_servers_lost",], metrics[OUTCOMES, "failed"]) == (1, 2)


def test_a_stream_that_loses_its_server_ends_with_an_error_or_goes_on_elsewhere():
    """Check a server that breaks after some tokens, without and with a second chain."""
    (request,) = small_run.requests(1, 12)

    async def scenario(session):
        async with session.post("/v1/completions", json=body(request, stream=True, return_token_ids=True)) as response:
            return [event async for event in events(response)]

    with small_front(wrap=dying(after=6)) as front:
        *_, last = with_client(front, scenario)
    assert "server 1 was lost" in last["error"]["message"]

    def first_chain_dies(connections):
        return [connections[0], small_run.Dying(connections[1], 6), connections[2]]

    with small_front(small_run.specs(), wrap=first_chain_dies) as front:
        *choices, end = with_client(front, scenario)
    assert end is None
    tokens = [event["choices"][0]["token_ids"][0] for event in choices]
    assert tokens == small_run.whole_model_tokens(request)


def test_metrics_have_the_times_of_requests():
    requests = small_run.requests(4, 5)

    async def scenario(session):
        await asyncio.gather(*(complete(session, **body(request)) for request in requests))
        return await values(session)

    with small_front(slow_specs()) as front:
        metrics = with_client(front, scenario)
    response_s, first_s, waiting_s = (
        metrics[f"server_chains_{name}_seconds_sum",] for name in ("response", "first_token", "waiting")
    )
    assert metrics["server_chains_response_seconds_count",] == 4
    assert response_s >= first_s + 4 * 4 * 0.04  # four further tokens of each request, 20 ms at each server
    assert first_s >= waiting_s + 4 * 0.04
    assert waiting_s >= 2 * 5 * 0.04  # two requests wait for the other two
    assert metrics["server_chains_response_seconds_bucket", "+Inf"] == 4
