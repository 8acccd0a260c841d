"""Decoder models: their shape, and what one block takes in parameters, memory and arithmetic.

The parameters of a block are the projections to queries, keys and values and back, an MLP, and norms. Memory and bytes
read follow from them and the precision, the cache from the heads of keys and values. Embedding and output head stay
with the orchestrator, as in the paper.
"""

from dataclasses import dataclass
from typing import NamedTuple

from system.checks import require, require_count, require_known, require_positive
from system.limits import BLOCKS, WIDTH
from system.models.precisions import cache_precision, weight_precision
from system.models.served import ServedModel

GB = 1e9


class Family(NamedTuple):
    """Structure of the blocks of related models."""

    gated_mlp: bool  # three matrices instead of two
    query_bias: bool  # on queries, keys and values
    other_bias: bool  # on the output projection and the MLP
    norm_vectors: int  # of the hidden size: one for each RMSNorm, two for each LayerNorm


FAMILIES = {
    "llama": Family(gated_mlp=True, query_bias=False, other_bias=False, norm_vectors=2),
    "mistral": Family(gated_mlp=True, query_bias=False, other_bias=False, norm_vectors=2),
    "qwen2": Family(gated_mlp=True, query_bias=True, other_bias=False, norm_vectors=2),
    "bloom": Family(gated_mlp=False, query_bias=True, other_bias=True, norm_vectors=4),
    "gpt_neox": Family(gated_mlp=False, query_bias=True, other_bias=True, norm_vectors=4),
    "falcon": Family(gated_mlp=False, query_bias=False, other_bias=False, norm_vectors=4),
}
COUNTS = ("block_count", "hidden_size", "head_count", "kv_head_count", "intermediate_size")


@dataclass(frozen=True)
class Decoder:
    """A decoder model of `block_count` equal blocks.

    `head_size` is by default `hidden_size // head_count`. The fields from `vocabulary_size` on only matter where tokens
    are really computed; a model that is only planned with may leave them out.
    """

    name: str
    family: str  # a key of `FAMILIES`
    block_count: int
    hidden_size: int
    head_count: int  # heads of queries
    kv_head_count: int  # heads of keys, and as many of values
    intermediate_size: int  # width of the MLP
    head_size: int = 0
    vocabulary_size: int | None = None
    norm_epsilon: float = 1e-5
    rope_theta: float = 10_000.0

    def __post_init__(self) -> None:
        require_known(f"family of {self.name}", self.family, FAMILIES)
        self._require_counts(*COUNTS)
        grouped = self.head_count % self.kv_head_count == 0
        remedy = f"must divide head_count = {self.head_count}"
        require(grouped, f"kv_head_count of {self.name}", self.kv_head_count, remedy)
        if not self.head_size:
            divides = self.hidden_size % self.head_count == 0
            remedy = f"must divide hidden_size = {self.hidden_size}, unless head_size is given"
            require(divides, f"head_count of {self.name}", self.head_count, remedy)
            object.__setattr__(self, "head_size", self.hidden_size // self.head_count)
        self._require_counts("head_size")
        if self.vocabulary_size is not None:
            self._require_counts("vocabulary_size")
        for field in ("norm_epsilon", "rope_theta"):
            require_positive(**{f"{field} of {self.name}": getattr(self, field)})

    def _require_counts(self, *fields: str) -> None:
        for field in fields:
            named = {f"{field} of {self.name}": getattr(self, field)}
            require_count(BLOCKS if field == "block_count" else WIDTH, **named)

    @property
    def query_size(self) -> int:
        """Return the width of a token's queries."""
        return self.head_count * self.head_size

    @property
    def kv_size(self) -> int:
        """Return the width of a token's keys, and of its values."""
        return self.kv_head_count * self.head_size

    @property
    def attention_parameters(self) -> int:
        """Count the projections to queries, keys and values, and back."""
        family, projected = FAMILIES[self.family], self.query_size + 2 * self.kv_size
        biases = family.query_bias * projected + family.other_bias * self.hidden_size
        return self.hidden_size * (projected + self.query_size) + biases

    @property
    def mlp_parameters(self) -> int:
        """Count the matrices and biases of the MLP."""
        family = FAMILIES[self.family]
        biases = family.other_bias * (self.intermediate_size + self.hidden_size)
        return (3 if family.gated_mlp else 2) * self.hidden_size * self.intermediate_size + biases

    @property
    def norm_parameters(self) -> int:
        """Count the parameters of a block's norms."""
        return FAMILIES[self.family].norm_vectors * self.hidden_size

    @property
    def block_parameters(self) -> int:
        """Count all parameters of one block."""
        return self.attention_parameters + self.mlp_parameters + self.norm_parameters

    @property
    def cache_values_per_token(self) -> int:
        """Count the numbers that one token leaves in one block's cache.

        They are a key and a value for each of the `kv_head_count` heads.
        """
        return 2 * self.kv_size

    @property
    def flop_per_token(self) -> int:
        """Return the arithmetic of one block for one token: 2 FLOP a parameter.

        Attention over the prompt is not counted.
        """
        return 2 * self.block_parameters

    def block_bytes(self, weights: str) -> float:
        """Return the memory of one block's weights at a precision."""
        return self.block_parameters * weight_precision(weights).value_bytes

    def cache_bytes(self, tokens: int, cache: str) -> float:
        """Return the memory of one block's cache for so many tokens."""
        return self.cache_values_per_token * cache_precision(cache).value_bytes * tokens


def served_model(decoder: Decoder, cache_tokens: int, weights: str = "16 bit", cache: str = "16 bit") -> ServedModel:
    """Return what a decoder costs at a precision of weights and cache.

    Each request gets a cache for `cache_tokens` tokens. Weights that are not 16 bit are part of the model's name.
    """
    require_count(cache_tokens=cache_tokens)
    block_memory_gb = decoder.block_bytes(weights) / GB
    return ServedModel(
        name=decoder.name if weights == "16 bit" else f"{decoder.name}_{weights}",
        block_count=decoder.block_count,
        block_memory_gb=block_memory_gb,
        cache_memory_gb=decoder.cache_bytes(cache_tokens, cache) / GB,
        cache_tokens=cache_tokens,
        prefill_gflop=decoder.flop_per_token / 1e9,
        decode_read_gb=block_memory_gb,
        hidden_size=decoder.hidden_size,
    )
