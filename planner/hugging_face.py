"""Shapes from the `config.json` of a Hugging Face repository, read from disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.models import FAMILIES, Shape
from system import InputError
from system.checks import require, require_count

# The names that a number goes by, from family to family and over the years.
KEYS = {
    "block_count": ("num_hidden_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embed"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner"),
}
# What would change a block in a way that no family has, with the only value that is understood.
UNDERSTOOD: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": False, "mlp_bias": False},
    "mistral": {},
    "qwen2": {},
    "bloom": {},
    "gpt_neox": {"attention_bias": True},
    "falcon": {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 2, "bias": False},
}


def shape_from_config(path: Path) -> Shape:
    """The shape in a `config.json`; raises `InputError` with the name of what is missing or not understood."""
    config = _read(path)
    kind = str(config.get("model_type"))
    remedy = f"not understood; there are {', '.join(FAMILIES)}, or describe the model by shape instead of config"
    require(kind in FAMILIES, f"model_type in {path}", kind, remedy)
    for key, value in UNDERSTOOD[kind].items():
        found = config.get(key)
        require(found in (None, value), f"{key} in {path}", found, f"only {value} is understood; describe it by shape")
    if kind == "falcon":  # without the key it is the old architecture
        require("new_decoder_architecture" in config, "new_decoder_architecture", None, f"must be true in {path}")
    return Shape(_name(path, config), kind, **_counts(path, kind, config))


def _read(path: Path) -> Mapping[str, Any]:
    require(path.is_file(), "config", path, "there is no such file; give the path of a model's config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"config = {path}: is not JSON ({error}); give the path of a model's config.json") from error
    require(isinstance(config, dict), "config", path, "must hold one JSON object, as a model's config.json does")
    return config


def _counts(path: Path, kind: str, config: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for field, names in KEYS.items():
        found = next((config[name] for name in names if config.get(name) is not None), _implied(kind, field, counts))
        require_count(**{f"{' or '.join(names)} in {path}": found})
        counts[field] = found
    if config.get("head_dim") is not None:
        counts["head_size"] = config["head_dim"]
    return counts


def _implied(kind: str, field: str, counts: Mapping[str, int]) -> Any:
    """What a config may leave out: as many heads for keys and values as for queries; an MLP of four times the width."""
    if field == "kv_heads":
        return counts["heads"]
    return 4 * counts["hidden_size"] if field == "intermediate_size" and kind in ("bloom", "falcon") else None


def _name(path: Path, config: Mapping[str, Any]) -> str:
    """The last part of the repository's name, else the folder's."""
    return str(config.get("_name_or_path") or path.resolve().parent.name).rstrip("/").rsplit("/", maxsplit=1)[-1]
