"""What a block of a decoder model costs, derived from the model's shape, with the derivation as lines for people.

Parameters of a block: projections to queries, keys and values and back, an MLP, and norms. Memory and bytes read follow
from them and the precision (NF4 and int8 as PETALS counts them), the cache from the heads of keys and values. Embedding
and output head stay with the orchestrator, as in the paper.
"""

from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from planner.inventory.entries import Entry, require_known
from system import ServedModel
from system.checks import require, require_count, require_one_of

FILE = Path(__file__).with_suffix(".yaml")
GB = 1e9


class Family(NamedTuple):
    """How the blocks of related models are built."""

    gated_mlp: bool  # three matrices instead of two
    query_bias: bool  # on queries, keys and values
    other_bias: bool  # on the output projection and the MLP
    norm_vectors: int  # of the hidden size: one for each RMSNorm, two for each LayerNorm


class Precision(NamedTuple):
    """Bytes that a number takes, and how that is said."""

    bytes_each: float
    words: str


FAMILIES = {
    "llama": Family(gated_mlp=True, query_bias=False, other_bias=False, norm_vectors=2),
    "mistral": Family(gated_mlp=True, query_bias=False, other_bias=False, norm_vectors=2),
    "qwen2": Family(gated_mlp=True, query_bias=True, other_bias=False, norm_vectors=2),
    "bloom": Family(gated_mlp=False, query_bias=True, other_bias=True, norm_vectors=4),
    "gpt_neox": Family(gated_mlp=False, query_bias=True, other_bias=True, norm_vectors=4),
    "falcon": Family(gated_mlp=False, query_bias=False, other_bias=False, norm_vectors=4),
}
WEIGHTS = {
    "16 bit": Precision(2.0, "2 B"),
    "int8": Precision(1.01, "1 B and 1 % of metadata (int8 as PETALS counts it)"),
    "nf4": Precision(4.25 / 8 * 1.01, "4.25 bits and 1 % of metadata (NF4 as PETALS counts it)"),
}
CACHES = {"16 bit": Precision(2.0, "2 B"), "8 bit": Precision(1.0, "1 B")}


@dataclass(frozen=True)
class Shape:
    """A decoder model of equal blocks. `head_size` is by default what the hidden size leaves to each head."""

    name: str
    family: str
    block_count: int
    hidden_size: int
    heads: int
    kv_heads: int
    intermediate_size: int
    head_size: int = 0

    def __post_init__(self) -> None:
        require_known(f"family of {self.name}", self.family, FAMILIES)
        counts = {key: value for key, value in asdict(self).items() if key not in ("name", "family", "head_size")}
        require_count(**{f"{key} of {self.name}": value for key, value in counts.items()})
        where = f"heads of {self.name}"
        require(
            self.heads % self.kv_heads == 0, where, self.heads, f"must be a multiple of the {self.kv_heads} kv_heads"
        )
        if not self.head_size:
            divides = self.hidden_size % self.heads == 0
            require(divides, where, self.heads, f"must divide the hidden size {self.hidden_size}; else give head_size")
            object.__setattr__(self, "head_size", self.hidden_size // self.heads)
        require_count(**{f"head_size of {self.name}": self.head_size})

    @property
    def attention_parameters(self) -> int:
        """Queries, keys, values, and the projection back to the hidden size."""
        family, query, key = FAMILIES[self.family], self.heads * self.head_size, self.kv_heads * self.head_size
        biases = family.query_bias * (query + 2 * key) + family.other_bias * self.hidden_size
        return self.hidden_size * (2 * query + 2 * key) + biases

    @property
    def mlp_parameters(self) -> int:
        family = FAMILIES[self.family]
        biases = family.other_bias * (self.intermediate_size + self.hidden_size)
        return (3 if family.gated_mlp else 2) * self.hidden_size * self.intermediate_size + biases

    @property
    def norm_parameters(self) -> int:
        return FAMILIES[self.family].norm_vectors * self.hidden_size

    @property
    def block_parameters(self) -> int:
        return self.attention_parameters + self.mlp_parameters + self.norm_parameters

    @property
    def cache_values_per_token(self) -> int:
        """Numbers that a token leaves in a block's cache: a key and a value for each of their heads."""
        return 2 * self.kv_heads * self.head_size


def served_model(shape: Shape, cache_tokens: int, weights: str = "16 bit", cache_values: str = "16 bit") -> ServedModel:
    """The model at a precision with cache for so many tokens a request; its name says weights that are not 16 bit."""
    require_one_of(tuple(WEIGHTS), weights=weights)
    require_one_of(tuple(CACHES), cache=cache_values)
    block_memory_gb = shape.block_parameters * WEIGHTS[weights].bytes_each / GB
    return ServedModel(
        name=shape.name if weights == "16 bit" else f"{shape.name}_{weights}",
        block_count=shape.block_count,
        block_memory_gb=block_memory_gb,
        cache_memory_gb=shape.cache_values_per_token * CACHES[cache_values].bytes_each * cache_tokens / GB,
        cache_tokens=cache_tokens,
        prefill_gflop=2 * shape.block_parameters / 1e9,
        decode_read_gb=block_memory_gb,
        hidden_size=shape.hidden_size,
    )


def derivation(shape: Shape, model: ServedModel, weights: str, cache_values: str) -> tuple[str, ...]:
    """How the numbers of `served_model` follow from the shape, a line each."""
    per_token = shape.cache_values_per_token * CACHES[cache_values].bytes_each
    mlp = "gated MLP" if FAMILIES[shape.family].gated_mlp else "MLP"
    return (
        f"{shape.name}: {shape.block_count} blocks of {shape.block_parameters:,} parameters: "
        f"{shape.attention_parameters:,} of attention ({shape.heads} heads of {shape.head_size}, {shape.kv_heads} for "
        f"keys and values), {shape.mlp_parameters:,} of the {mlp}, {shape.norm_parameters:,} of norms",
        f"memory of a block: {shape.block_parameters:,} x {WEIGHTS[weights].words} = {model.block_memory_gb:.4g} GB",
        f"cache of a token in a block: 2 x {shape.kv_heads} x {shape.head_size} x {CACHES[cache_values].words} = "
        f"{per_token:,.0f} B; of a request of {model.cache_tokens:,} tokens: {model.cache_memory_gb:.4g} GB",
        f"prefill: 2 FLOP x {shape.block_parameters:,} = {model.prefill_gflop:.4g} GFLOP a token and block, "
        "attention over the prompt not counted",
        f"decoding: a block's weights are read once a token, {model.decode_read_gb:.4g} GB, the cache not counted",
        "embedding and output head stay with the orchestrator and take no memory of the servers",
    )


def preset(name: str) -> Shape:
    """A shape of `models.yaml`; raises `InputError` with the nearest names if there is none."""
    presets = _presets()
    require_known("model", name, presets)
    return Shape(name, **presets[name])


def shape_from_entry(entry: Entry) -> Shape:
    """A shape that an inventory gives itself."""
    hints = {field.name: "a whole number" for field in fields(Shape)} | {"name": "a name"}
    needed = {key: hint for key, hint in hints.items() if key not in ("name", "family", "head_size")}
    counts = {key: entry.count(key, hint) for key, hint in needed.items()}
    head_size = entry.count("head_size", "a whole number") if "head_size" in entry else 0
    family = entry.text("family", f"one of {', '.join(FAMILIES)}")
    return Shape(entry.text("name", hints["name"]), family, **counts, head_size=head_size)


@cache
def _presets() -> dict[str, dict[str, Any]]:
    presets: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return presets
