"""Shapes from the `config.json` of a Hugging Face repository."""

from pathlib import Path
from typing import Any

from planner.inventory.models import FAMILIES, Shape
from serving.blocks.config import UNDERSTOOD as SERVED
from serving.blocks.config import counts_in, name_in, read_config, require_understood
from system.checks import require

# What would change a block in a way that no family has; `SERVED` has it of the families that can also be run.
UNDERSTOOD: dict[str, dict[str, Any]] = SERVED | {
    "mistral": {},
    "qwen2": {},
    "gpt_neox": {"attention_bias": True},
    "falcon": {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 2, "bias": False},
}


def shape_from_config(path: Path) -> Shape:
    """The shape in a `config.json`; raises `InputError` with the name of what is missing or not understood."""
    config = read_config(path)
    kind = str(config.get("model_type"))
    remedy = f"not understood; there are {', '.join(FAMILIES)}, or describe the model by shape instead of config"
    require(kind in FAMILIES, f"model_type in {path}", kind, remedy)
    require_understood(path, config, UNDERSTOOD[kind], "describe it by shape")
    if kind == "falcon":  # without the key it is the old architecture
        require("new_decoder_architecture" in config, "new_decoder_architecture", None, f"must be true in {path}")
    counts = counts_in(path, kind, config)
    heads, kv_heads = counts.pop("head_count"), counts.pop("kv_head_count")
    return Shape(
        name_in(path, config), kind, heads=heads, kv_heads=kv_heads, head_size=config.get("head_dim") or 0, **counts
    )
