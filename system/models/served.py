"""The served model: an ordered list of transformer blocks, with the memory and arithmetic of each."""

from dataclasses import dataclass

from system.checks import require_count, require_not_negative, require_positive
from system.errors import InputError
from system.limits import BLOCKS, TOKENS


@dataclass(frozen=True)
class ServedModel:
    """L transformer blocks (paper Sec. 2.1) and the two numbers behind their computation time (footnote 2).

    `cache_memory_gb` is the memory of one job's cache for one block at `cache_tokens` tokens, prompt and output
    together. `decode_read_gb` is the memory that one decode step reads per block: the block's weights, unless a
    published experiment assumed otherwise.
    """

    name: str
    block_count: int  # L
    block_memory_gb: float  # s_m
    cache_memory_gb: float  # s_c
    cache_tokens: int
    prefill_gflop: float  # F, per block and input token
    decode_read_gb: float
    hidden_size: int | None = None  # width of the activations between blocks; only some baselines need it
    embedding_gb: float = 0.0  # beside the blocks; 0 if unknown; likewise:
    head_gb: float = 0.0  # also where the head is the embedding, as it may lie on another server

    def __post_init__(self) -> None:
        require_count(BLOCKS, block_count=self.block_count)
        require_count(TOKENS, cache_tokens=self.cache_tokens)
        require_positive(
            block_memory_gb=self.block_memory_gb,
            cache_memory_gb=self.cache_memory_gb,
            prefill_gflop=self.prefill_gflop,
            decode_read_gb=self.decode_read_gb,
        )
        require_not_negative(embedding_gb=self.embedding_gb, head_gb=self.head_gb)
        if self.hidden_size is not None:
            require_count(hidden_size=self.hidden_size)

    @property
    def activation_bytes(self) -> int:
        """Return the bytes of a token's activations between two blocks.

        A number takes 2 B. Raises `InputError` if the model does not state its hidden size.
        """
        if self.hidden_size is None:
            raise InputError(
                f"hidden_size of {self.name} is missing: links with a bandwidth need it; add it to the model"
            )
        return 2 * self.hidden_size
