"""Decoders from the `config.json` of a Hugging Face repository, read from disk, for planning and for serving."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from system.checks import echo, is_finite_number, require, require_boolean, require_count, require_one_of
from system.documents.entries import CONTROL
from system.documents.json_files import read_json
from system.errors import InputError
from system.limits import NAME
from system.models.config_families import (
    ALIASES,
    DEFAULTS,
    EXPERT_KEYS,
    KEYS,
    LATENT,
    LATENT_KEYS,
    SHAPING,
    TEXT_PARTS,
    TIED,
    Config,
)
from system.models.decoder import Decoder
from system.models.families import FAMILIES
from system.models.parts import Experts, LatentAttention
from system.models.quantised import quantised_weights

# Keys of what no family has, each with what the user can do about it. Without a value they mean nothing.
EXPERTS = re.compile(r"expert|(^|_)moe(_|$)")
TEXT_PART = re.compile("(text|llm|language)_config")
EXPERTS_REMEDY = "is a key of a mixture of experts, and only dense models are computed; use a dense model"
UNKNOWN_EXPERTS = (
    "belongs to a mixture of experts, which is not understood for model_type {family}; describe the model by shape, "
    "with experts, active_experts and expert_size, or use its preset"
)
TEXT_PART_REMEDY = "more than text is read by this model; give this part as a config.json of its own"
EPSILON_KEYS = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps")
# The defaults of transformers, which a config may leave out.
EPSILON = {"llama": 1e-6, "mistral": 1e-6, "qwen2": 1e-6, "bloom": 1e-5, "gpt_neox": 1e-5, "falcon": 1e-5}


def decoder_from_config(path: Path, remedy: str = "use another model") -> Decoder:
    """Return the decoder that a `config.json` describes, for planning.

    Only what the shape follows from is read, and of a model of text and images the text part. Raises `InputError` with
    the name of what is missing, impossible or not understood; the remedy is what the user can do if the model is not
    understood.
    """
    config = _text_part(path, read_config(path))
    given = str(config.get("model_type"))
    family = ALIASES.get(given, given)
    config = {**DEFAULTS.get(family, {}), **config}
    if family not in EXPERT_KEYS:
        _refuse(path, config, EXPERTS, UNKNOWN_EXPERTS.format(family=echo(family)))
    _refuse(path, config, TEXT_PART, TEXT_PART_REMEDY)
    advice = f"not understood; use a model of {', '.join(FAMILIES)}, or {remedy}"
    require(family in FAMILIES, f"model_type in {path}", given, advice)
    vocabulary = config.get("vocab_size")
    facts: dict[str, Any] = {
        "vocabulary_size": None if vocabulary is None else _count(path, ("vocab_size",), vocabulary),
        "has_tied_head": _is_tied(path, config, family),
        "experts": _experts(path, config, family) if family in EXPERT_KEYS else None,
        "latent": _latent(path, config) if family in LATENT else None,
    }
    return _decoder(path, config, family, remedy, **facts)


def weights_from_config(path: Path, must_be_known: bool = True) -> str | None:
    """Return the precision of the weights that a `config.json` states.

    It is 16 bit if they are not quantised. Where it is not understood, return None, or raise `InputError` if it must be
    known.
    """
    config = read_config(path)
    try:
        return quantised_weights(path, config) or quantised_weights(path, _text_part(path, config)) or "16 bit"
    except InputError:
        if must_be_known:
            raise
        return None


def computable_decoder_from_config(path: Path, computed: Mapping[str, Config]) -> Decoder:
    """Return the decoder in a `config.json` with all that computing its tokens needs.

    `computed` has the families that can be computed, each with keys of the config and the only value for which it can.
    Raises `InputError` with the name of what is missing, impossible or not understood.
    """
    config = read_config(path)
    _refuse(path, config, EXPERTS, EXPERTS_REMEDY)
    family: Any = config.get("model_type")
    require_one_of(tuple(computed), **{f"model_type in {path}": family})
    remedy = "use another model"
    _require_understood(path, config, computed[family], remedy)
    facts = {
        "vocabulary_size": _count(path, ("vocab_size",), config.get("vocab_size")),
        "norm_epsilon": _norm_epsilon(path, family, config),
        "rope_theta": _rope_theta(path, config),
    }
    return _decoder(path, config, family, remedy, **facts)


def has_tied_head(config: Config) -> bool:
    """Return whether the output head of a LLaMA is its embedding.

    That of a BLOOM always is.
    """
    given = config.get("tie_word_embeddings")
    if given is None:
        return False
    require_boolean(tie_word_embeddings=given)
    return bool(given)


def read_config(path: Path) -> Config:
    """Return the JSON object in the file; raise `InputError` if there is none."""
    config = read_json(path, "model config")
    require(isinstance(config, dict), "model config", path, "must hold one JSON object, as a model's config.json does")
    return dict(config)


def _text_part(path: Path, config: Config) -> Config:
    """Return the part of a config about text."""
    given, part = config.get("model_type"), config.get("text_config")
    family = TEXT_PARTS.get(given) if isinstance(given, str) else None
    if family is None or not isinstance(part, Mapping):
        return config
    named = {key: config[key] for key in ("_name_or_path", "tie_word_embeddings") if config.get(key) is not None}
    return {"model_type": family, **named, **part}


def _is_tied(path: Path, config: Config, family: str) -> bool:
    given = config.get("tie_word_embeddings")
    if given is None:
        return family in TIED
    require_boolean(**{f"tie_word_embeddings in {path}": given})
    return bool(given)


def _experts(path: Path, config: Config, family: str) -> Experts:
    """Return the experts of a mixture, checked key by key."""
    keys = EXPERT_KEYS[family]
    count, active, width = (_count(path, (key,), config.get(key)) for key in (keys.of_all, keys.of_token, keys.width))
    shared = _optional(path, config, keys.shared_width) + width * _optional(path, config, keys.shared_count)
    return Experts(count, active, width, shared, _optional(path, config, keys.dense_blocks))


def _latent(path: Path, config: Config) -> LatentAttention:
    sizes = {field: _count(path, (key,), config.get(key)) for field, key in LATENT_KEYS.items()}
    return LatentAttention(**sizes, query_rank=_optional(path, config, "q_lora_rank"))


def _optional(path: Path, config: Config, key: str) -> int:
    """Return a number, 0 if the config has none."""
    value = config.get(key) or 0
    return 0 if type(value) is int and value == 0 else _count(path, (key,), value)


def _refuse(path: Path, config: Config, keys: re.Pattern[str], remedy: str) -> None:
    """Raise `InputError` if such a key has a value, at any depth."""
    for key, value in _entries(config):
        require(not (value and keys.search(key)), f"{echo(key)} in {path}", value, remedy)


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of all objects in the content."""
    if isinstance(content, Mapping):
        yield from content.items()
    if isinstance(content, (Mapping, list)):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _entries(value)


def _decoder(path: Path, config: Config, family: str, remedy: str, **facts: Any) -> Decoder:
    _require_understood(path, config, SHAPING[family], remedy)
    if family == "falcon":  # without the key it is the old architecture
        require("new_decoder_architecture" in config, "new_decoder_architecture", None, f"must be true in {path}")
    counts: dict[str, Any] = {**_counts(path, family, config)}
    head_dim = config.get("head_dim")
    head_size = 0 if head_dim is None else _count(path, ("head_dim",), head_dim)
    return Decoder(_name(path, config), family, **counts, head_size=head_size, **facts)


def _require_understood(path: Path, config: Config, understood: Config, remedy: str) -> None:
    """Raise `InputError` where the config has a value that is not understood."""
    for key, value in understood.items():
        given = config.get(key)
        require(given in (None, value), f"{key} in {path}", given, f"only {value} is understood; {remedy}")


def _counts(path: Path, family: str, config: Config) -> dict[str, int]:
    """Return the fields of `KEYS`; raise `InputError` with the keys that were looked for."""
    counts: dict[str, int] = {}
    for field, keys in KEYS.items():
        given = {key: config[key] for key in keys if config.get(key) is not None}
        values = list(given.values()) or [_implied(family, field, counts)]
        equal = all(value == values[0] for value in values)
        require(equal, f"{' and '.join(given)} in {path}", values, "must be equal, as both mean the same; keep one")
        counts[field] = _count(path, keys, values[0])
    return counts


def _count(path: Path, keys: tuple[str, ...], value: Any) -> int:
    require_count(**{f"{' or '.join(keys)} in {path}": value})
    return int(value)


def _name(path: Path, config: Config) -> str:
    """Return the last part of the repository's name, else the name of the folder."""
    given = config.get("_name_or_path") or path.resolve().parent.name
    short = isinstance(given, str) and len(given) <= NAME
    require(short, f"_name_or_path in {path}", given, f"must be a text of at most {NAME} characters")
    plain = CONTROL.search(str(given)) is None
    require(plain, f"_name_or_path in {path}", given, "has a line break or control character; remove it")
    return str(given).rstrip("/").rsplit("/", maxsplit=1)[-1]


def _implied(family: str, field: str, counts: Mapping[str, int]) -> int | None:
    """Return the number that a config may leave out.

    By default there are as many heads of keys and values as of queries, and an MLP has four times the hidden size.
    """
    if field == "kv_head_count":
        return counts["head_count"]
    return 4 * counts["hidden_size"] if field == "intermediate_size" and family in ("bloom", "falcon") else None


def _norm_epsilon(path: Path, family: str, config: Config) -> float:
    """Return the value under the first of its keys that is given."""
    given = next((key for key in EPSILON_KEYS if config.get(key) is not None), None)
    return EPSILON[family] if given is None else _positive(path, given, config[given])


def _rope_theta(path: Path, config: Config) -> float:
    """Return the base of the rotary positions; transformers 5 writes it below `rope_parameters`."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    is_object = isinstance(rope, Mapping)
    require(is_object, f"rope_parameters or rope_scaling in {path}", rope, "must be a JSON object; correct the file")
    kind = rope.get("rope_type", rope.get("type", "default"))
    require(kind == "default", f"rope_type in {path}", kind, "only plain rotary positions are understood")
    return _positive(path, "rope_theta", rope.get("rope_theta", config.get("rope_theta", 10000.0)))


def _positive(path: Path, key: str, value: Any) -> float:
    require(is_finite_number(value) and value > 0, f"{key} in {path}", value, "must be a finite number above 0")
    return float(value)
