"""The body of a request to /v1/completions, read strictly: what this server would not do is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.http.errors import ApiError
from serving.http.text import BYTES, tokens_of
from system.checks import echo

DEFAULT_TOKENS = 16  # of the API
# Fields with the only values that change nothing here: tokens are always the most likely ones, all that were asked for.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "temperature": (0,),
    "top_p": (1,),
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "ignore_eos": (True,),
    "logprobs": (),
    "stop": ([],),
    "suffix": ("",),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
}
READ = ("model", "prompt", "max_tokens", "stream", "stream_options", "return_token_ids", "seed", "user")
STREAM_OPTIONS = ("include_usage", "continuous_usage_stats")


@dataclass(frozen=True)
class Model:
    """The served model as requests see it: a cache slot holds `cache_tokens` tokens, all but a request's last one."""

    name: str
    vocabulary_size: int
    cache_tokens: int
    has_text: bool  # random weights, for which a byte is a token

    @property
    def most_tokens(self) -> int:
        """Return the most tokens of prompt and answer together."""
        return self.cache_tokens + 1


@dataclass(frozen=True)
class Completion:
    """A request to complete a prompt with `output_tokens` tokens."""

    prompt: tuple[int, ...]
    output_tokens: int
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False
    with_tokens: bool = False


def completion_of(body: Any, model: Model) -> Completion:
    """Return the request of a body; raise `ApiError` for its first wrong field."""
    if not isinstance(body, dict):
        raise ApiError(400, "body: must be a JSON object")
    if body.get("model") is not None:
        require_model(body["model"], model)
    _check_neutral(body)
    prompt = _prompt(body.get("prompt"), model)
    output_tokens = _count(body, "max_tokens", DEFAULT_TOKENS)
    total = len(prompt) + output_tokens
    if total > model.most_tokens:
        raise ApiError(
            400,
            f"This model's maximum context length is {model.most_tokens} tokens. However, you requested {total} tokens "
            f"({len(prompt)} in the prompt, {output_tokens} in the completion). Please reduce one of them.",
            "max_tokens" if len(prompt) < model.most_tokens else "prompt",
            "context_length_exceeded",
        )
    options = _stream_options(body)
    stream = _boolean(body, "stream")
    usage = (options["include_usage"], options["continuous_usage_stats"])
    return Completion(prompt, output_tokens, stream, *usage, _boolean(body, "return_token_ids"))


def require_model(name: object, model: Model) -> None:
    """Raise `ApiError` unless this is the served model's name."""
    if name != model.name:
        message = f"The model {echo(name)} does not exist; this server has {model.name}."
        raise ApiError(404, message, "model", "model_not_found")


def _check_neutral(body: Mapping[str, Any]) -> None:
    """Raise `ApiError` for unknown fields and those that ask for other tokens."""
    for field, value in body.items():
        if value is None or field in READ:
            continue
        if field not in NEUTRAL:
            raise ApiError(400, f"Unrecognized request argument supplied: {echo(field)}", echo(field))
        if not any(type(value) in (type(one), float, int) and value == one for one in NEUTRAL[field]):
            only = f"leave it out{''.join(f' or give {one}' for one in NEUTRAL[field])}"
            raise ApiError(400, f"{field} = {echo(value)}: this server has greedy tokens only; {only}", field)
    if body.get("seed") is not None:
        _count(body, "seed", 0, least=0)


def _prompt(prompt: Any, model: Model) -> tuple[int, ...]:
    """Return the tokens of the only prompt, given as text or as token ids."""
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], (str, list)):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return _text_tokens(prompt, model)
    if not isinstance(prompt, list) or any(isinstance(part, (str, list)) for part in prompt):
        raise ApiError(400, "prompt: must be one text or one list of token ids", "prompt")
    for token in prompt:
        if type(token) is not int or not 0 <= token < model.vocabulary_size:
            limit = model.vocabulary_size - 1
            raise ApiError(400, f"prompt: {echo(token)} is no token; tokens are whole numbers to {limit}", "prompt")
    return _not_empty(tuple(prompt))


def _text_tokens(text: str, model: Model) -> tuple[int, ...]:
    if not model.has_text or model.vocabulary_size < BYTES:
        message = f"prompt: this server has no tokenizer for {model.name}; give a list of token ids"
        raise ApiError(400, message, "prompt")
    try:
        return _not_empty(tuple(tokens_of(text)))
    except UnicodeEncodeError as error:
        raise ApiError(400, "prompt: is no Unicode text; remove its half surrogate pairs", "prompt") from error


def _not_empty(tokens: tuple[int, ...]) -> tuple[int, ...]:
    if not tokens:
        raise ApiError(400, "prompt: must have at least one token", "prompt")
    return tokens


def _count(body: Mapping[str, Any], field: str, default: int, least: int = 1) -> int:
    value = default if body.get(field) is None else body[field]
    if type(value) is not int or value < least:
        raise ApiError(400, f"{field} = {echo(value)}: must be a whole number, {least} or above", field)
    return value


def _boolean(body: Mapping[str, Any], field: str) -> bool:
    value = body.get(field)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"{field} = {echo(value)}: must be true or false", field)
    return bool(value)


def _stream_options(body: Mapping[str, Any]) -> dict[str, bool]:
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise ApiError(400, f"stream_options = {echo(options)}: must be an object", "stream_options")
    if options and not body.get("stream"):
        raise ApiError(400, "stream_options: is for streams; set stream to true or leave it out", "stream_options")
    given = options or {}
    unknown = [name for name in given if name not in STREAM_OPTIONS]
    if unknown:
        message = f"stream_options.{echo(unknown[0])}: is unknown; known are {', '.join(STREAM_OPTIONS)}"
        raise ApiError(400, message, "stream_options")
    return {name: _boolean(given, name) for name in STREAM_OPTIONS}
