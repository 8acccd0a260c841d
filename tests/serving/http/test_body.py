"""Bodies of requests: what the front cannot do is refused with OpenAI's error, the field by its name."""

import pytest

from serving.http.completion import Completion, Model, completion_of
from serving.http.errors import ApiError
from serving.http.text import text_of, tokens_of

MODEL = Model("tiny", 1000, 255, has_text=True)
CHECKPOINT = Model("read", 1000, 255, has_text=False)


def refusal(body, model=MODEL):
    """Return the status, the field and the message with which a body is refused."""
    with pytest.raises(ApiError) as caught:
        completion_of(body, model)
    error = caught.value.body()["error"]
    return caught.value.status, error["param"], error["message"]


def test_defaults_are_those_of_the_api():
    assert completion_of({"prompt": [5, 6]}, MODEL) == Completion((5, 6), 16)
    assert completion_of({"prompt": [5], "max_tokens": None, "stream": None, "stop": None}, MODEL) == Completion(
        (5,), 16
    )


def test_prompts_are_text_or_token_ids_and_one_of_them():
    for prompt in ("é!", ["é!"], [0xC3, 0xA9, 33], [[0xC3, 0xA9, 33]]):
        assert completion_of({"prompt": prompt}, MODEL).prompt == (0xC3, 0xA9, 33)
    for prompt in (
        None,
        "",
        [],
        [[]],
        7,
        ["a", "b"],
        [[1], [2]],
        [1.5],
        [-1],
        [1000],
        [True],
        ["a", 1],
        {"a": 1},
        "\ud800",
    ):
        assert refusal({"prompt": prompt})[:2] == (400, "prompt"), prompt
    assert "no tokenizer for read" in refusal({"prompt": "text"}, CHECKPOINT)[2]
    assert completion_of({"prompt": [1]}, CHECKPOINT).prompt == (1,)


def test_each_token_has_a_printable_character():
    assert tokens_of("Hi") == [72, 105]
    assert "".join(map(text_of, tokens_of("Hi~!"))) == "Hi~!"
    assert all(text_of(token).isprintable() and not text_of(token).isspace() for token in range(1000))


def test_a_request_may_fill_the_cache_slot_and_have_one_more_token():
    """Check the limit: an answer's last token is never cached."""
    assert completion_of({"prompt": [1] * 250, "max_tokens": 6}, MODEL).output_tokens == 6
    status, field, message = refusal({"prompt": [1] * 250, "max_tokens": 7})
    assert (status, field) == (400, "max_tokens")
    assert "maximum context length is 256 tokens. However, you requested 257" in message
    assert refusal({"prompt": [1] * 256, "max_tokens": 1})[1] == "prompt"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"top_p": 0.9}, "top_p"),
        ({"n": 2}, "n"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
        ({"stop": "x"}, "stop"),
        ({"ignore_eos": False}, "ignore_eos"),
        ({"seed": "x"}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 2.5}, "max_tokens"),
        ({"stream": 1}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "include_usage"),
        ({"stream": True, "stream_options": 1}, "stream_options"),
        ({"max_toks": 3}, "max_toks"),
    ],
    ids=str,
)
def test_fields_that_would_change_the_answer_are_refused(fields, param):
    status, named, message = refusal({"prompt": [1], **fields})
    assert (status, named) == (400, param)
    assert param in message


def test_other_models_are_not_found_and_bodies_must_be_objects():
    assert refusal({"prompt": [1], "model": "gpt-5"})[:2] == (404, "model")
    assert refusal({"prompt": [1], "model": 5})[:2] == (404, "model")
    for body in ([], "text", None, 3):
        assert refusal(body)[0] == 400
