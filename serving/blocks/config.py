"""What the `config.json` of a Hugging Face repository says about a model, read from disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.blocks.architecture import Architecture
from system import InputError
from system.checks import is_finite_number, require, require_count, require_one_of

Config = Mapping[str, Any]

# The names that a number goes by, from family to family and over the years.
KEYS = {
    "block_count": ("num_hidden_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embed"),
    "head_count": ("num_attention_heads", "n_head"),
    "kv_head_count": ("num_key_value_heads", "num_kv_heads"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner"),
}
# What would change a block in a way that no family has, with the only value that is understood.
UNDERSTOOD: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": False, "mlp_bias": False},
    "bloom": {},
}
# What changes how a block computes, though not its shape; again with the only value that is understood.
COMPUTED: dict[str, dict[str, Any]] = {
    "llama": {"hidden_act": "silu", "quantization_config": None},
    "bloom": {
        "apply_residual_connection_post_layernorm": False,
        "tie_word_embeddings": True,
        "quantization_config": None,
    },
}
EPSILON_KEYS = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps")
# What a config may leave out: transformers' own defaults.
EPSILON = {"llama": 1e-6, "bloom": 1e-5}


def architecture_from_config(path: Path) -> Architecture:
    """The architecture in a `config.json`; raises `InputError` with what is missing, impossible or not understood."""
    config = read_config(path)
    family: Any = config.get("model_type")
    require_one_of(tuple(COMPUTED), **{f"model_type in {path}": family})
    require_understood(path, config, UNDERSTOOD[family] | COMPUTED[family], "take another model")
    counts = counts_in(path, family, config)
    _require_heads_of_the_usual_size(path, config, counts)
    return Architecture(
        name=name_in(path, config),
        family=family,
        **counts,
        vocabulary_size=_vocabulary_size(path, config),
        norm_epsilon=_norm_epsilon(path, family, config),
        rope_theta=_rope_theta(path, config),
    )


def is_tied(config: Config) -> bool:
    """Whether a LLaMA's output head is its embedding's matrix; a BLOOM's always is."""
    return bool(config.get("tie_word_embeddings", False))


def read_config(path: Path) -> Config:
    """The JSON object in the file; raises `InputError` if there is none."""
    require(path.is_file(), "config", path, "there is no such file; give the path of a model's config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"config = {path}: is not JSON ({error}); give the path of a model's config.json") from error
    require(isinstance(config, dict), "config", path, "must hold one JSON object, as a model's config.json does")
    return config


def require_understood(path: Path, config: Config, understood: Config, remedy: str) -> None:
    """Raise `InputError` with the remedy where the config has another value than the only one that is understood."""
    for key, value in understood.items():
        found = config.get(key)
        require(found in (None, value), f"{key} in {path}", found, f"only {value} is understood; {remedy}")


def counts_in(path: Path, family: str, config: Config) -> dict[str, int]:
    """The fields of `KEYS`; raises `InputError` with the names that were looked for."""
    counts: dict[str, int] = {}
    for field, names in KEYS.items():
        found = next((config[name] for name in names if config.get(name) is not None), _implied(family, field, counts))
        require_count(**{f"{' or '.join(names)} in {path}": found})
        counts[field] = found
    return counts


def name_in(path: Path, config: Config) -> str:
    """The last part of the repository's name, else the folder's."""
    return str(config.get("_name_or_path") or path.resolve().parent.name).rstrip("/").rsplit("/", maxsplit=1)[-1]


def _implied(family: str, field: str, counts: Mapping[str, int]) -> Any:
    """What a config may leave out: as many heads for keys and values as for queries; an MLP of four times the width."""
    if field == "kv_head_count":
        return counts["head_count"]
    return 4 * counts["hidden_size"] if field == "intermediate_size" and family in ("bloom", "falcon") else None


def _require_heads_of_the_usual_size(path: Path, config: Config, counts: Mapping[str, int]) -> None:
    found, usual = config.get("head_dim"), counts["hidden_size"] // counts["head_count"]
    remedy = f"must be the hidden size over the heads, {usual}: no other size is understood"
    require(found in (None, usual), f"head_dim in {path}", found, remedy)


def _vocabulary_size(path: Path, config: Config) -> int:
    size: Any = config.get("vocab_size")
    require_count(**{f"vocab_size in {path}": size})
    return int(size)


def _norm_epsilon(path: Path, family: str, config: Config) -> float:
    """Under the first of its names that is there."""
    given = next((key for key in EPSILON_KEYS if config.get(key) is not None), None)
    return EPSILON[family] if given is None else _number(path, given, config[given])


def _rope_theta(path: Path, config: Config) -> float:
    """The base of the rotary positions; `rope_parameters` is what transformers 5 writes."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    require(kind == "default", f"rope_type in {path}", kind, "only plain rotary positions are understood")
    return _number(path, "rope_theta", rope.get("rope_theta", config.get("rope_theta", 10000.0)))


def _number(path: Path, key: str, value: Any) -> float:
    require(is_finite_number(value) and value > 0, f"{key} in {path}", value, "must be a finite number above 0")
    return float(value)
