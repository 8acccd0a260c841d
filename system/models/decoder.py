"""Decoder models: their shape, and what one block takes in parameters, memory and arithmetic.

The parameters of a block are the projections to queries, keys and values and back, an MLP or a mixture of experts, and
norms. Memory and bytes read follow from them and the precision, the cache from the heads of keys and values. All blocks
count as equal: where the first ones are dense and smaller, they count as the others.
"""

from dataclasses import dataclass

from system.checks import require, require_count, require_known, require_positive
from system.limits import BLOCKS, WIDTH
from system.models.families import FAMILIES
from system.models.parts import Experts, LatentAttention
from system.models.precisions import Precision, cache_precision, weight_precision
from system.models.served import ServedModel

GB = 1e9
COUNTS = ("block_count", "hidden_size", "head_count", "kv_head_count", "intermediate_size")


@dataclass(frozen=True)
class Decoder:
    """A decoder model of `block_count` blocks.

    `head_size` is by default `hidden_size // head_count`. Without a `vocabulary_size` embedding and output head count
    as nothing. The fields from `norm_epsilon` on only matter where tokens are really computed.
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
    has_tied_head: bool = False  # the output head is the embedding
    experts: Experts | None = None
    latent: LatentAttention | None = None
    published_weights: str = "16 bit"  # the precision in which the model is published
    norm_epsilon: float = 1e-5
    rope_theta: float = 10_000.0
    has_scaled_rope: bool = False  # rotary positions that are stretched, as in LLaMA 3.1

    def __post_init__(self) -> None:
        require_known(f"family of {self.name}", self.family, FAMILIES)
        self._require_counts(*COUNTS)
        grouped = self.head_count % self.kv_head_count == 0
        remedy = f"must divide head_count = {self.head_count}"
        require(grouped, f"kv_head_count of {self.name}", self.kv_head_count, remedy)
        self._require_experts()
        if self.latent is not None:
            object.__setattr__(self, "head_size", self.latent.head_size)
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
        weight_precision(self.published_weights)

    def _require_experts(self) -> None:
        """Raise `InputError` unless family and experts belong together."""
        is_mixture = FAMILIES[self.family].is_mixture
        remedy = f"{self.family} is a mixture of experts; give their number, how many a token takes, and their width"
        require(is_mixture <= (self.experts is not None), f"experts of {self.name}", self.experts, remedy)
        remedy = f"{self.family} has no experts; give the family of a mixture, such as qwen3_moe"
        require(is_mixture or self.experts is None, f"experts of {self.name}", self.experts, remedy)
        if self.experts is not None:
            dense, most = self.experts.dense_blocks, self.block_count - 1
            remedy = f"must be at most {most}, as a mixture has a block with experts"
            require(dense <= most, f"dense blocks of {self.name}", dense, remedy)

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
        if self.latent is not None:
            return self.latent.parameters(self.hidden_size, self.head_count)
        family, projected = FAMILIES[self.family], self.query_size + 2 * self.kv_size
        biases = family.query_bias * projected + family.output_bias * self.hidden_size + family.sinks * self.head_count
        return self.hidden_size * (projected + self.query_size) + biases

    @property
    def mlp_parameters(self) -> int:
        """Count those of the MLP, or of all experts."""
        return self.beside_experts + (self.experts.count * self.expert_parameters if self.experts else 0)

    @property
    def active_mlp_parameters(self) -> int:
        """Count those of the MLP, or of active experts."""
        return self.beside_experts + (self.experts.active * self.expert_parameters if self.experts else 0)

    @property
    def expert_parameters(self) -> int:
        """Count those of one expert; 0 without experts."""
        return self._mlp(self.experts.width) if self.experts else 0

    @property
    def beside_experts(self) -> int:
        """Count those of the MLP that every token uses."""
        if self.experts is None:
            return self._mlp(self.intermediate_size)
        family, shared = FAMILIES[self.family], self.experts.shared_width
        router = (self.hidden_size + family.router_bias) * self.experts.count
        return router + (self._mlp(shared) + family.shared_gate * self.hidden_size if shared else 0)

    def _mlp(self, width: int) -> int:
        """Count those of an MLP with a width."""
        family = FAMILIES[self.family]
        inner = 2 if family.gated_mlp else 1
        biases = family.mlp_bias * (inner * width + self.hidden_size)
        return (inner + 1) * self.hidden_size * width + biases

    @property
    def norm_parameters(self) -> int:
        """Count the parameters of a block's norms."""
        family = FAMILIES[self.family]
        return family.norm_vectors * self.hidden_size + 2 * family.head_norms * self.head_size

    @property
    def block_parameters(self) -> int:
        """Count all parameters of one block."""
        return self.attention_parameters + self.mlp_parameters + self.norm_parameters

    @property
    def active_block_parameters(self) -> int:
        """Count the parameters of one block that one token uses."""
        return self.attention_parameters + self.active_mlp_parameters + self.norm_parameters

    @property
    def embedding_parameters(self) -> int:
        """Count those of the embedding; 0 if unknown."""
        return (self.vocabulary_size or 0) * self.hidden_size

    @property
    def parameters(self) -> int:
        """Count all parameters, dense blocks as they are."""
        return self._total(self.block_parameters)

    @property
    def active_parameters(self) -> int:
        """Count those that one token uses with embedding and head."""
        return self._total(self.active_block_parameters)

    def _total(self, block_parameters: int) -> int:
        """Count all, given those of a block with experts."""
        dense_blocks = self.experts.dense_blocks if self.experts else 0
        dense = self.attention_parameters + self._mlp(self.intermediate_size) + self.norm_parameters
        ends = self.embedding_parameters * (1 if self.has_tied_head else 2)
        return (self.block_count - dense_blocks) * block_parameters + dense_blocks * dense + ends + self.hidden_size

    @property
    def cache_values_per_token(self) -> int:
        """Count the numbers that one token leaves in one block's cache.

        They are a key and a value for each of the `kv_head_count` heads, or a compressed vector.
        """
        return 2 * self.kv_size if self.latent is None else self.latent.cache_values

    @property
    def flop_per_token(self) -> int:
        """Return a block's arithmetic: 2 FLOP an active parameter.

        Attention over the prompt is not counted.
        """
        return 2 * self.active_block_parameters

    def block_bytes(self, weights: str) -> float:
        """Return the memory of one block's weights at a precision."""
        return self._bytes(self.experts.count if self.experts else 0, weight_precision(weights))

    def active_bytes(self, weights: str) -> float:
        """Return the bytes of one block that one token uses."""
        return self._bytes(self.experts.active if self.experts else 0, weight_precision(weights))

    def _bytes(self, experts: int, precision: Precision) -> float:
        """Return the bytes of a block with so many experts."""
        if self.experts is None:
            return self.block_parameters * precision.value_bytes
        others = self.attention_parameters + self.beside_experts + self.norm_parameters
        return others * precision.beside_experts + experts * self.expert_parameters * precision.value_bytes

    def weight_bytes(self, weights: str) -> float:
        """Return the bytes of all weights."""
        precision, experts = weight_precision(weights), self.experts
        blocks = self.block_count * self.block_bytes(weights)
        if experts is not None:
            without = (self._mlp(self.intermediate_size) - self.beside_experts) * precision.beside_experts
            of_experts = experts.count * self.expert_parameters * precision.value_bytes
            blocks += experts.dense_blocks * (without - of_experts)
        ends = precision.of_head + (0 if self.has_tied_head else precision.of_embedding)
        return blocks + self.embedding_parameters * ends

    def cache_bytes(self, tokens: int, cache: str) -> float:
        """Return the memory of one block's cache for so many tokens."""
        return self.cache_values_per_token * cache_precision(cache).value_bytes * tokens


def served_model(
    decoder: Decoder,
    cache_tokens: int,
    weights: str = "16 bit",
    cache: str = "16 bit",
    file_gb: float | None = None,
) -> ServedModel:
    """Return what a decoder costs at a precision of weights and cache.

    Each request gets a cache for `cache_tokens` tokens. Weights that are not 16 bit are part of the model's name. If
    the size of their file is given, all weights are scaled to it.
    """
    require_count(cache_tokens=cache_tokens)
    precision, experts = weight_precision(weights), decoder.experts
    scale = 1.0 if file_gb is None else file_gb * GB / decoder.weight_bytes(weights)
    of_embedding = precision.of_head if decoder.has_tied_head else precision.of_embedding
    return ServedModel(
        name=decoder.name if weights == "16 bit" else f"{decoder.name}_{weights}",
        block_count=decoder.block_count,
        block_memory_gb=decoder.block_bytes(weights) * scale / GB,
        cache_memory_gb=decoder.cache_bytes(cache_tokens, cache) / GB,
        cache_tokens=cache_tokens,
        prefill_gflop=decoder.flop_per_token / 1e9,
        decode_read_gb=decoder.active_bytes(weights) * scale / GB,
        hidden_size=decoder.hidden_size,
        embedding_gb=decoder.embedding_parameters * of_embedding * scale / GB,
        head_gb=decoder.embedding_parameters * precision.of_head * scale / GB,
        expert_count=experts.count if experts else 0,
        active_experts=experts.active if experts else 0,
        expert_gb=decoder.expert_parameters * precision.value_bytes * scale / GB,
    )
