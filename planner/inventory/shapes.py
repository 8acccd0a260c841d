"""Models by their numbers: the `shape` of an inventory as a decoder."""

import re
from collections.abc import Mapping
from typing import Any

from system.checks import require
from system.documents.entries import Entry
from system.documents.kinds import require_no_quotes
from system.limits import BLOCKS, NAME, WIDTH
from system.models.decoder import Decoder
from system.models.families import FAMILIES
from system.models.parts import Experts, LatentAttention
from system.models.presets import all_presets, preset, same_preset

# Keys of an inventory, and what `Decoder`, `Experts` and `LatentAttention` call them.
COUNTS = {
    "block_count": "block_count",
    "hidden_size": "hidden_size",
    "heads": "head_count",
    "kv_heads": "kv_head_count",
    "intermediate_size": "intermediate_size",
}
EXPERTS = {"experts": "count", "active_experts": "active", "expert_size": "width"}
MORE_EXPERTS = {"shared_expert_size": "shared_width", "dense_blocks": "dense_blocks"}
LATENT = {
    "kv_lora_rank": "kv_rank",
    "nope_head_size": "plain_size",
    "rope_head_size": "rotary_size",
    "value_head_size": "value_size",
}
MORE_LATENT = {"q_lora_rank": "query_rank"}
MORE_COUNTS = {"head_size": "head_size", "vocabulary_size": "vocabulary_size"}
SHAPE_KEYS = (
    "name",
    "family",
    *COUNTS,
    *MORE_COUNTS,
    "tied_head",
    *EXPERTS,
    *MORE_EXPERTS,
    *LATENT,
    *MORE_LATENT,
)
IN_BLOCKS = ("block_count", "dense_blocks")
BY_NUMBERS = f"the family of a mixture, such as qwen3_moe, and {', '.join(EXPERTS)}"
# Names of mixtures of experts, such as qwen3_235b_a22b and mixtral_8x7b; distilled models are dense.
MIXTURE = re.compile(
    r"\d+x\d+b|[-_ ]a\d+(\.\d+)?b|moe|mixtral|gpt[-_ ]?oss|deepseek[-_ ]?(v[23]|r1)|kimi|scout|maverick", re.IGNORECASE
)


def decoder_from_entry(entry: Entry) -> Decoder:
    """Return the decoder of an entry with `SHAPE_KEYS`."""
    name = entry.text("name", "a name", NAME)
    family = entry.text("family", f"one of {', '.join(FAMILIES)}")
    numbers: dict[str, Any] = {**_all(entry, COUNTS), **_given(entry, MORE_COUNTS)}
    is_mixture = any(key in entry for key in (*EXPERTS, *MORE_EXPERTS))
    if not is_mixture:
        _require_dense(name, numbers)
    experts = Experts(**_all(entry, EXPERTS), **_given(entry, MORE_EXPERTS)) if is_mixture else None
    is_latent = any(key in entry for key in (*LATENT, *MORE_LATENT))
    latent = LatentAttention(**_all(entry, LATENT), **_given(entry, MORE_LATENT)) if is_latent else None
    tied = _flag(entry, "tied_head")
    return Decoder(name, family, **numbers, has_tied_head=tied, experts=experts, latent=latent)


def _require_dense(name: str, numbers: Mapping[str, int]) -> None:
    """Raise `InputError` if a dense shape describes a mixture."""
    known = same_preset(name)
    if known is None or preset(known).experts is None:
        known = _mixture_of(numbers)
    if known is not None:
        remedy = f"has the name or the numbers of {known}, a mixture of experts, but no experts; write preset: {known}"
        require(False, "name of shape", name, remedy)
    is_dense = MIXTURE.search(name) is None or "distill" in name.lower()
    remedy = f"names a mixture of experts, but shape has none; give {BY_NUMBERS}"
    require(is_dense, "name of shape", name, remedy)


def _mixture_of(numbers: Mapping[str, int]) -> str | None:
    """Return the only preset with these numbers, a mixture."""
    fields = ("block_count", "hidden_size", "head_count", "kv_head_count")
    alike = [model for model in all_presets().values() if all(getattr(model, key) == numbers[key] for key in fields)]
    is_mixture = bool(alike) and all(model.experts is not None for model in alike)
    return alike[0].name if is_mixture else None


def _all(entry: Entry, keys: Mapping[str, str]) -> dict[str, int]:
    """Return numbers of which none may be missing."""
    most = {key: BLOCKS if key in IN_BLOCKS else WIDTH for key in keys}
    return {field: entry.count(key, "a whole number", most[key]) for key, field in keys.items()}


def _given(entry: Entry, keys: Mapping[str, str]) -> dict[str, int]:
    """Return the numbers that are given."""
    return _all(entry, {key: field for key, field in keys.items() if key in entry})


def _flag(entry: Entry, key: str) -> bool:
    """Return a value that is true or false, false by default."""
    value = entry.content.get(key, False)
    require_no_quotes(entry.where(key), value)
    require(isinstance(value, bool), entry.where(key), value, "must be true or false")
    return bool(value)
