"""Completions over HTTP: tokens are those of the whole model, whoever asks and in whatever form."""

import asyncio

import pytest

pytest.importorskip("torch")
pytest.importorskip("aiohttp")
openai = pytest.importorskip("openai")

from serving.http.text import text_of  # noqa: E402
from tests.serving.http.fronts import MODEL, body, complete, events, small_front, values, with_client  # noqa: E402
from tests.support import small_run  # noqa: E402
from tests.support.small_models import one_thread  # noqa: E402, F401

ZEROS = {"temperature": 0, "seed": 3, "ignore_eos": True, "n": 1, "stop": None}


def test_an_answer_has_the_tokens_of_the_whole_model():
    (request,) = small_run.requests(1, 12)
    tokens = small_run.whole_model_tokens(request)
    with small_front() as front:
        status, answer = with_client(
            front, lambda session: complete(session, **body(request, **ZEROS, return_token_ids=True))
        )
    (choice,) = answer["choices"]
    assert (status, answer["object"], answer["model"]) == (200, "text_completion", MODEL.name)
    assert (choice["token_ids"], choice["finish_reason"]) == (tokens, "length")
    assert choice["text"] == "".join(map(text_of, tokens))
    assert answer["usage"] == {
        "prompt_tokens": len(request.prompt),
        "completion_tokens": 12,
        "total_tokens": len(request.prompt) + 12,
    }


def test_a_stream_has_one_event_for_each_token_and_the_usage_that_was_asked_for():
    (request,) = small_run.requests(1, 5)

    async def scenario(session):
        options = {"include_usage": True, "continuous_usage_stats": True}
        fields = body(request, stream=True, stream_options=options, return_token_ids=True)
        async with session.post("/v1/completions", json=fields) as response:
            assert response.content_type == "text/event-stream"
            return [event async for event in events(response)]

    with small_front() as front:
        *of_tokens, of_usage, end = with_client(front, scenario)
    assert end is None
    choices = [event["choices"][0] for event in of_tokens]
    assert [choice["token_ids"] for choice in choices] == [[token] for token in small_run.whole_model_tokens(request)]
    assert [choice["finish_reason"] for choice in choices] == [None] * 4 + ["length"]
    assert [event["usage"]["completion_tokens"] for event in of_tokens] == [1, 2, 3, 4, 5]
    assert of_usage["choices"] == []
    assert of_usage["usage"] == of_tokens[-1]["usage"]
    assert len({event["id"] for event in [*of_tokens, of_usage]}) == 1


def test_the_public_client_lists_models_and_streams():
    (request,) = small_run.requests(1, 6)
    expected = "".join(map(text_of, small_run.whole_model_tokens(request)))

    def use(address):
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == [MODEL.name]
            assert client.models.retrieve(MODEL.name).id == MODEL.name
            fields = {"model": MODEL.name, "prompt": request.prompt.tolist(), "max_tokens": 6}
            whole = client.completions.create(**fields, temperature=0)
            stream = client.completions.create(**fields, stream=True, stream_options={"include_usage": True})
            *chunks, last = stream
            with pytest.raises(openai.NotFoundError, match="does not exist"):
                client.completions.create(**fields | {"model": "gpt-5"})
            with pytest.raises(openai.BadRequestError, match="maximum context length is 513 tokens"):
                client.completions.create(**fields | {"max_tokens": 600})
        return whole.choices[0].text, "".join(chunk.choices[0].text for chunk in chunks), last.usage.completion_tokens

    with small_front() as front:
        answers = with_client(front, lambda session: asyncio.to_thread(use, str(session._base_url).rstrip("/")))
    assert answers == (expected, expected, 6)


def test_fifty_requests_at_once_are_all_served_with_their_own_tokens():
    requests = small_run.requests(50, 6)

    async def scenario(session):
        bodies = [body(request, return_token_ids=True) for request in requests]
        answers = await asyncio.gather(*(complete(session, **fields) for fields in bodies))
        return answers, await values(session)

    with small_front(small_run.specs()) as front:
        answers, metrics = with_client(front, scenario)
        stats = front.orchestrator.stats()
    tokens = [answer["choices"][0]["token_ids"] for status, answer in answers if status == 200]
    assert tokens == [small_run.whole_model_tokens(request) for request in requests]
    assert metrics["server_chains_requests_total", "served"] == 50
    assert metrics["server_chains_tokens_total", "output"] == 300
    assert metrics["server_chains_tokens_total", "input"] == sum(len(request.prompt) for request in requests)
    assert {server: of_server["jobs"] for server, of_server in stats.items()} == {0: 0, 1: 0, 2: 0}


def test_numbers_of_requests_are_used_again():
    """Serve many more requests, one after another, than the front takes at once."""
    requests = small_run.requests(12, 2)

    async def scenario(session):
        return [await complete(session, **body(request, return_token_ids=True)) for request in requests]

    with small_front(most=2) as front:
        answers = with_client(front, scenario)
    tokens = [answer["choices"][0]["token_ids"] for _, answer in answers]
    assert tokens == [small_run.whole_model_tokens(request) for request in requests]
